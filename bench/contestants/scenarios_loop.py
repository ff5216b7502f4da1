"""The way of reference 004: each request by itself, with a query for its scenario, one for its member, an awaited send.

The database is SQLite in memory, which answers sooner than any over a network.
"""

import asyncio
import json
import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


def holds(left: Any, operator: str, right: str) -> bool:
    """Whether the filter holds."""
    if left is None:
        return False
    if operator == "in":
        return str(left) in right.split(",")
    if operator == "==":
        return str(left) == right
    return float(left) > float(right) if operator == ">" else float(left) >= float(right)


async def main(rules: dict[str, Any]) -> None:
    """Judge until told to end."""
    database = sqlite3.connect(":memory:")
    database.execute("create table scenario (id integer primary key, json text)")
    database.execute("create table member (id text primary key, age integer, gender text)")
    rows = [(each["scenario_id"], json.dumps(each)) for each in rules["scenarios"]]
    database.executemany("insert into scenario values (?, ?)", rows)
    database.executemany("insert into member values (?, ?, ?)", rules["members"])
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(
        os.environ["ACCESS_LOGS_TOPIC"],
        bootstrap_servers=servers,
        group_id=os.environ["GROUP_ID"],
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await consumer.start()
    await producer.start()
    judged = 0
    async for record in consumer:
        line = json.loads(record.value)
        target = urlsplit(line["request_uri"])
        if target.path[1:].isdigit() and line["status"] < 400:
            fields: dict[str, Any] = dict(parse_qsl(target.query))
            (found,) = database.execute("select json from scenario where id = ?", (int(target.path[1:]),)).fetchone()
            scenario = json.loads(found)
            member = database.execute("select age, gender from member where id = ?", (fields["memberId"],)).fetchone()
            fields |= {"age": member[0], "gender": member[1], "h": int(line["time"][11:13])}
            checks = [holds(fields.get(f["left"]), f["operator"], f["right"]) for f in scenario["filters"]]
            result = {name: fields[name] for name, keep in scenario["log_format"].items() if keep and name in fields}
            result |= {"success": int(all(checks)), "scenario_id": scenario["scenario_id"], "date": line["time"]}
            value = json.dumps(result, ensure_ascii=False).encode()
            await producer.send_and_wait(os.environ["SCENARIO_RESULTS_TOPIC"], value, key=target.path[1:].encode())
        judged += 1
        if judged % 1000 == 0:
            print(f"progress {judged}", flush=True)


asyncio.run(main(json.loads(Path(os.environ["RULES"]).read_text(encoding="utf-8"))))
