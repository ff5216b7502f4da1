"""The exception that ends a request."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException


class Refused(HTTPException):
    """Answers a request with an error, as JSON that is not cached; `fields` are added to the message."""

    def __init__(
        self, status: int, error: str, fields: Mapping[str, str] | None = None, retry_after_s: int | None = None
    ) -> None:
        retry = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(status, error, {"Cache-Control": "no-store", **retry})
        self.answer = {"error": error, **(fields or {})}
