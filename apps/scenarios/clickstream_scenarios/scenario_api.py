"""Scenarios over HTTP, `/api/scenarios`: for the admin page and for programs; `web/openapi.json` describes it.

The JSON of a scenario is reference 004's, with `timezone`, and with what the store adds: `version`, `active`,
`changed_at`, `changed_by`. A change names the version that it was made on; if another came first, the answer is 409
with what holds now. Endpoints that ask the database are plain functions, which Starlette calls in a thread.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_scenarios import scenario_store as store
from clickstream_scenarios.cache import CHANNEL, Cache
from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.errors import InvalidScenario, Problem
from clickstream_scenarios.korean import in_korean
from clickstream_scenarios.scenario import Scenario, read_scenario, scenario_json
from clickstream_scenarios.scenario_store import Stored
from clickstream_scenarios.sentences import LANGUAGES, sentence
from clickstream_scenarios.sign_in import SignIn
from clickstream_scenarios.statistics import minutes, ratios
from clickstream_web.errors import Refused
from clickstream_web.requests import language

MAX_BODY_BYTES = 256 << 10
MAX_SCENARIOS = 10_000
_JSON = "application/json"

Endpoint = Callable[[Request, str, Any], Any]


class ScenarioApi:
    """The routes below /api/scenarios, each for a user who is signed in."""

    def __init__(
        self, engine: Engine, cache: Cache, sign_in: SignIn, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._sign_in = sign_in
        self._clock = clock
        one = "/api/scenarios/{scenario_id:int}"
        self.routes = [
            Route("/api/scenarios", self._route(GET=self._list, POST=self._create), methods=["GET", "POST"]),
            Route("/api/scenarios/check", self._route(POST=self._check), methods=["POST"]),
            Route("/api/scenarios/ratios", self._route(GET=self._ratios), methods=["GET"]),
            Route(one, self._route(GET=self._get, PUT=self._save), methods=["GET", "PUT"]),
            Route(f"{one}/history", self._route(GET=self._history), methods=["GET"]),
            Route(f"{one}/restore", self._route(POST=self._restore), methods=["POST"]),
            Route(f"{one}/minutes", self._route(GET=self._minutes), methods=["GET"]),
        ]

    def _route(self, **endpoints: Endpoint) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            user = await asyncio.to_thread(self._sign_in.required, request)
            body = await json_body(request) if method != "GET" else None
            status, value = await asyncio.to_thread(self._answered, endpoints[method], request, user, body)
            return json_answer(value, status)

        return answer

    def _answered(self, endpoint: Endpoint, request: Request, user: str, body: Any) -> tuple[int, Any]:
        try:
            answer = endpoint(request, user, body)
        except InvalidScenario as error:
            return 400, {"error": str(error), "problems": [_problem(each, request) for each in error.problems]}
        except store.NoSuchScenario:
            raise Refused(404, f"there is no scenario {request.path_params['scenario_id']}") from None
        except store.VersionConflict as error:
            return 409, {"error": f"it was changed in between: {error}", "current": _shown(error.current)}
        except DatabaseAway as error:
            raise Refused(503, str(error), retry_after_s=5) from error
        return answer if isinstance(answer, tuple) else (200, answer)

    def _list(self, request: Request, user: str, body: Any) -> Any:
        _, scenarios = store.load_scenarios(self._engine)
        return {"scenarios": [_shown(each) for each in scenarios[:MAX_SCENARIOS]]}

    def _get(self, request: Request, user: str, body: Any) -> Any:
        return _shown(store.get_scenario(self._engine, request.path_params["scenario_id"]))

    def _create(self, request: Request, user: str, body: Any) -> Any:
        given = dict(body) if isinstance(body, dict) else body
        chosen = isinstance(given, dict) and given.get("scenario_id") is not None
        while True:
            if isinstance(given, dict) and not chosen:
                given["scenario_id"] = store.free_id(self._engine)
            scenario = read_scenario(given, active=_active(given))
            try:
                made = store.create_scenario(self._engine, scenario, user, self._clock())
            except store.ScenarioExists:
                if chosen:
                    message = f"{scenario.scenario_id} is taken: choose another, or none"
                    raise InvalidScenario([Problem("scenario_id", message)]) from None
                continue  # another user was faster with this id
            self._announce(made)
            return 201, _shown(made)

    def _save(self, request: Request, user: str, body: Any) -> Any:
        scenario = self._read(request, body)
        saved = store.save_scenario(self._engine, scenario, _version(body), user, self._clock())
        self._announce(saved)
        return _shown(saved)

    def _restore(self, request: Request, user: str, body: Any) -> Any:
        scenario_id, based_on = request.path_params["scenario_id"], _version(body)
        wanted = body.get("restore")
        versions = {each.scenario.version: each.scenario for each in store.get_versions(self._engine, scenario_id)}
        if wanted not in versions:
            raise InvalidScenario([Problem("restore", f"must be one of the versions 1 to {max(versions)}")])
        current = store.get_scenario(self._engine, scenario_id).scenario
        again = replace(versions[wanted], active=current.active)
        saved = store.save_scenario(self._engine, again, based_on, user, self._clock(), restored=wanted)
        self._announce(saved)
        return _shown(saved)

    def _history(self, request: Request, user: str, body: Any) -> Any:
        scenario_id = request.path_params["scenario_id"]
        versions = {each.scenario.version: each for each in store.get_versions(self._engine, scenario_id)}
        entries = []
        for change in store.get_changes(self._engine, scenario_id):
            version = versions.get(change.version or 0)
            entries.append(
                {
                    "version": change.version,
                    "action": change.action,
                    "detail": change.detail,
                    "changed_at": _moment(change.changed_at),
                    "changed_by": change.changed_by,
                    "scenario": None if version is None else _shown(version),
                }
            )
        return {"history": entries}

    def _check(self, request: Request, user: str, body: Any) -> Any:
        return {"sentence": _sentences(read_scenario(body))}

    def _ratios(self, request: Request, user: str, body: Any) -> Any:
        found = ratios(self._cache, store.scenario_ids(self._engine))
        return {"redis": found is not None, "ratios": {str(each): ratio for each, ratio in (found or {}).items()}}

    def _minutes(self, request: Request, user: str, body: Any) -> Any:
        found = minutes(self._cache, request.path_params["scenario_id"])
        return {"redis": found is not None, "minutes": found or []}

    def _read(self, request: Request, body: Any) -> Scenario:
        scenario = read_scenario(body, active=_active(body))
        scenario_id = request.path_params["scenario_id"]
        if scenario.scenario_id != scenario_id:
            raise InvalidScenario([Problem("scenario_id", f"must be {scenario_id}, as in the address")])
        return scenario

    def _announce(self, saved: Stored) -> None:
        number = str(saved.scenario.scenario_id)
        self._cache.ask(lambda redis: redis.publish(CHANNEL, number), None)


def json_answer(value: Any, status: int = 200) -> Response:
    """Return an answer that nobody keeps."""
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, _JSON)


async def json_body(request: Request) -> Any:
    """Return the JSON of a request. Raises Refused."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, f"expected at most {MAX_BODY_BYTES >> 10} KiB")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"not JSON: {error}") from error


def _shown(stored: Stored) -> Mapping[str, Any]:
    scenario = stored.scenario
    return {
        **scenario_json(scenario),
        "version": scenario.version,
        "active": scenario.active,
        "changed_at": _moment(stored.changed_at),
        "changed_by": stored.changed_by,
        "sentence": _sentences(scenario),
    }


def _sentences(scenario: Scenario) -> dict[str, str]:
    return {language: sentence(scenario, language) for language in LANGUAGES}


def _problem(problem: Problem, request: Request) -> dict[str, str]:
    korean = language(request, LANGUAGES, "en") == "ko"
    return {"place": problem.place, "message": in_korean(problem.message) if korean else problem.message}


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _active(body: Any) -> bool:
    active = body.get("active", True) if isinstance(body, dict) else True
    if not isinstance(active, bool):
        raise InvalidScenario([Problem("active", "must be true or false")])
    return active


def _version(body: Any) -> int:
    version = body.get("version") if isinstance(body, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidScenario([Problem("version", "must be the number of the version that the change was made on")])
    return version
