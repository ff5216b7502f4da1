"""The cause of a failed Connect task in one line, out of its Java stack trace."""

import re

_LONGEST = 300
_CAUSE = re.compile(r"^(?:Caused by: )?((?:[\w$]+\.)+[\w$]*(?:Exception|Error))(?:: (.*))?$")


def first_cause(trace: str) -> str:
    """Return the innermost cause that says something, e.g. "SdkClientException: Unable to execute HTTP request …".

    Where the cause around it repeats its words and adds to them (which address refused the connection), return that.
    """
    found = [match for line in trace.splitlines() if (match := _CAUSE.match(line.strip()))]
    saying = [match for match in found if match[2]] or found
    if not saying:
        return (trace.strip().splitlines() or ["no reason given"])[0][:_LONGEST]
    innermost = saying[-1]
    around = (match for match in reversed(saying[:-1]) if innermost[2] and innermost[2] in match[2] != innermost[2])
    chosen = next(around, innermost)
    name, message = chosen[1].rpartition(".")[2], chosen[2]
    text = f"{name}: {message}" if message else name
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
