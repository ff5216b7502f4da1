"""Requests to the HTTP servers that the launcher starts."""

import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_S = 2.0


def status_of(url: str) -> int:
    """Return the status that a server answers with, 0 if it does not."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except (urllib.error.URLError, OSError):
        return 0


def call(method: str, url: str, body: object = None, timeout_s: float = _TIMEOUT_S) -> Any:
    """Return the JSON that a server answers with; None for an empty answer.

    Raises OSError if there is none, with the server's words if it refuses.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            raise OSError(f"{refusal.code} {refusal.read().decode(errors='replace')[:2000]}") from refusal
    return json.loads(text) if text else None
