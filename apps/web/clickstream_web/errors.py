"""The error that ends a request."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException


class Refused(HTTPException):
    """A request that is answered with an error, as JSON that no cache keeps; `fields` stand beside the message."""

    def __init__(
        self, status: int, error: str, fields: Mapping[str, str] | None = None, retry_after_s: int | None = None
    ) -> None:
        retry = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(status, error, {"Cache-Control": "no-store", **retry})
        self.answer = {"error": error, **(fields or {})}
