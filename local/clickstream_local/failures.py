"""The cause of a failed Connect task in one line, out of its Java stack trace."""

import re

_LONGEST = 300
_CAUSE = re.compile(r"^(?:Caused by: )?((?:[\w$]+\.)+[\w$]*(?:Exception|Error))(?:: (.*))?$")


def first_cause(trace: str) -> str:
    """Return the innermost cause that says something, e.g. "SdkClientException: Unable to execute HTTP request …"."""
    found = [match for line in trace.splitlines() if (match := _CAUSE.match(line.strip()))]
    saying = [match for match in found if match[2]] or found
    if not saying:
        return (trace.strip().splitlines() or ["no reason given"])[0][:_LONGEST]
    name, message = saying[-1][1].rpartition(".")[2], saying[-1][2]
    text = f"{name}: {message}" if message else name
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
