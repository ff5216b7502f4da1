"""A trial of a scenario on the last requests, and suggestions from them, over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Engine
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.errors import InvalidScenario
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_store import find_members
from clickstream_scenarios.requests import Request
from clickstream_scenarios.scenario import Scenario, read_scenario
from clickstream_scenarios.scenario_api import json_answer, json_body
from clickstream_scenarios.sign_in import SignIn
from clickstream_scenarios.trial import chosen, members_of, suggestions, try_out
from clickstream_web.errors import Refused


class KafkaAway(Exception):
    """The topics can't be read; the message says why in one line."""


class Recent(Protocol):
    """Knows the last requests."""

    async def last(self) -> Sequence[Request]:
        """Return them in the order of their time. Raises KafkaAway."""


class TrialApi:
    """The routes that read the topics, for a user who is signed in."""

    def __init__(self, engine: Engine, recent: Recent, sign_in: SignIn) -> None:
        self._engine = engine
        self._recent = recent
        self._sign_in = sign_in
        self.routes = [
            Route("/api/scenarios/trial", self._trial, methods=["POST"]),
            Route("/api/scenarios/suggestions", self._suggestions, methods=["GET"]),
        ]

    async def _trial(self, request: HttpRequest) -> Response:
        await asyncio.to_thread(self._sign_in.required, request)
        try:
            scenario = read_scenario(await json_body(request))
        except InvalidScenario as error:
            raise Refused(400, str(error)) from error
        requests, own = chosen(scenario.scenario_id, await self._last())
        answer = await asyncio.to_thread(self._tried, scenario, requests)
        return json_answer({**answer, "own": own})

    async def _suggestions(self, request: HttpRequest) -> Response:
        await asyncio.to_thread(self._sign_in.required, request)
        return json_answer({"fields": suggestions(await self._last())})

    def _tried(self, scenario: Scenario, requests: Sequence[Request]) -> dict[str, Any]:
        wanted = members_of(scenario, requests)
        members: Mapping[str, Member | None] = {}
        try:
            members = find_members(self._engine, wanted) if wanted else {}
        except DatabaseAway as error:
            raise Refused(503, str(error), retry_after_s=5) from error
        return try_out(scenario, requests, members)

    async def _last(self) -> Sequence[Request]:
        try:
            return await self._recent.last()
        except KafkaAway as error:
            raise Refused(503, str(error), retry_after_s=5) from error
