"""Scenarios under test: topics, a folder of rules and members, requests whose results are known, and the stream."""

import json
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clickstream_local.topics import clickstream_topics, create_missing, scenario_topics
from kit.processes import App, Apps
from kit.topics import Message, ToSend, read_all

REFERENCE = {
    "scenario_id": 5,
    "title": "9시 이후 구매 버튼을 클릭한 성인 남성 사용자 필터링",
    "manager": "admin_user",
    "log_format": {"e_c": 0, "e_a": 0, "memberId": 1, "h": 1, "res": 0},
    "filters": [
        {"left": "age", "operator": ">", "right": "20"},
        {"left": "gender", "operator": "==", "right": "MALE"},
        {"left": "h", "operator": ">=", "right": "9"},
    ],
    "logical_operator": "AND",
}
"""Reference 004's example of a scenario."""

REFERENCE_REQUEST = (
    r"/5?e_c=buttonClick&e_a=Clicked&e_n=\uace0\uba74\ud560\ub2f9\ud558\uae30"
    "&url=http://shop.example/product_detail/product_name&urlref=http://shop.example/&_idn=0&cookie=1&res=1920x1080"
    "&memberId=123456"
)
"""Its example of a request."""


@dataclass(frozen=True)
class ScenarioTopics:
    """The topics and the group of one test, under names that no other test uses."""

    bootstrap_servers: str
    access_logs: str
    events: str
    results: str
    dead_letters: str
    group_id: str

    @property
    def environ(self) -> dict[str, str]:
        """The settings of an app that uses them."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "ACCESS_LOGS_TOPIC": self.access_logs,
            "EVENTS_TOPIC": self.events,
            "SCENARIO_RESULTS_TOPIC": self.results,
            "DEAD_LETTER_TOPIC": self.dead_letters,
            "GROUP_ID": self.group_id,
        }

    def read(self, topic: str) -> list[Message]:
        """All records of one of the topics up to its current end, of committed transactions."""
        return read_all(self.bootstrap_servers, topic)

    def read_results(self) -> list[dict[str, Any]]:
        """The results that are committed."""
        return [json.loads(each.value or b"") for each in self.read(self.results)]


def create_scenario_topics(bootstrap_servers: str, partitions: int = 2) -> ScenarioTopics:
    """Create the topics with new names; they keep records of any age."""
    prefix = f"s{uuid.uuid4().hex[:10]}"
    made = ScenarioTopics(
        bootstrap_servers,
        access_logs=f"{prefix}-access-logs",
        events=f"{prefix}-events",
        results=f"{prefix}-results",
        dead_letters=f"{prefix}-dead-letters",
        group_id=f"{prefix}-group",
    )
    logs, results = scenario_topics()
    events, _, _, letters = clickstream_topics("events", "metrics", "partials", "letters")[:4]
    names = (made.access_logs, made.events, made.results, made.dead_letters)
    topics = []
    for name, topic in zip(names, (logs, events, results, letters), strict=True):
        configs = {key: value for key, value in topic.configs.items() if not key.startswith("message.timestamp.")}
        topics.append(replace(topic, name=name, partitions=partitions, configs={**configs, "retention.ms": "-1"}))
    create_missing({"bootstrap_servers": bootstrap_servers.split(",")}, topics)
    return made


def write_folder(folder: Path, scenarios: Iterable[Mapping[str, Any]], members: Sequence[str] = ()) -> Path:
    """Write a folder of scenarios and members; `members` are rows of member_id,gender,birth_date,grade."""
    folder.mkdir(exist_ok=True)
    (folder / "scenarios.json").write_text(json.dumps(list(scenarios)), encoding="utf-8")
    (folder / "members.csv").write_text("\n".join(["member_id,gender,birth_date,grade", *members]), encoding="utf-8")
    return folder


def start_scenarios(apps: Apps, topics: ScenarioTopics, folder: Path, **settings: str) -> App:
    """Start the stream on a folder."""
    given = {"SCENARIOS_FOLDER": str(folder), "COMMIT_INTERVAL": "200ms", **settings}
    return apps.start("clickstream_scenarios.main", environ=topics.environ, **given)


def access_log(target: str, *, request_id: str = "", time: str = "2026-11-27T10:00:00+00:00", **fields: Any) -> bytes:
    """A record as NGINX writes it as JSON, and its shipper sends it."""
    line = {
        "time": time,
        "remote_addr": "203.0.113.7",
        "method": "GET",
        "request_uri": target,
        "status": "200",
        "referer": "http://shop.example/",
        "agent": "Mozilla/5.0",
        "request_id": request_id or uuid.uuid4().hex,
    }
    return json.dumps({**line, **fields}).encode()


@dataclass(frozen=True)
class Known:
    """A request and what must become of it: 1 or 0, or the reason of its dead letter; None for no trace."""

    record: ToSend
    number: str
    expected: int | str | None


def known_requests(count: int, seed: int, partitions: int = 2) -> list[Known]:
    """Requests of MEMBERS to the reference's scenario, some malformed, failed, repeated or to no scenario."""
    chance = random.Random(seed)
    requests: list[Known] = []
    for number in range(count):
        kind, member, hour = chance.random(), chance.choice(list(MEMBERS)), chance.randrange(24)
        target = f"/5?e_n={quote('구매')}&memberId={member}&n={number}"
        time = datetime(2026, 11, 27, hour, 30, tzinfo=UTC).isoformat()
        request_id = f"{seed:04x}{number:028x}"
        value, expected = access_log(target, request_id=request_id, time=time), int(MEMBERS[member] and hour >= 9)
        known = Known(ToSend(value, partition=number % partitions), str(number), expected)
        if kind < 0.02:
            known = replace(known, record=replace(known.record, value=b"{"), expected="not_json")
        elif kind < 0.04:
            other = access_log(f"/6?n={number}", request_id=request_id)
            known = replace(known, record=replace(known.record, value=other), expected="unknown_scenario")
        elif kind < 0.06:
            undated = access_log(target, request_id=request_id, time="yesterday")
            known = replace(known, record=replace(known.record, value=undated), expected="bad_timestamp")
        elif kind < 0.08:
            failed = access_log(target, request_id=request_id, time=time, status="404")
            known = replace(known, record=replace(known.record, value=failed), expected=None)
        requests.append(known)
        if kind > 0.95 or 0.035 < kind < 0.04:
            requests.append(replace(known, expected=None))
    return requests


MEMBERS = {"1": True, "2": False, "3": False, "4": False}
"""Whether the reference's scenario takes them: a man of 25, a woman, a boy, and a member that the folder lacks."""

MEMBER_ROWS = ("1,MALE,2001-11-01,gold", "2,FEMALE,1990-05-01,", "3,MALE,2015-05-01,")
