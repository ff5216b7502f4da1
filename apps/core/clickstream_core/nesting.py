"""How deeply JSON may be nested: a limit of our own, because that of the decoders depends on the interpreter.

msgspec and json stop at Python's recursion limit: some 950 levels on 3.11, 10,000 on 3.13, the rest of the stack on
3.14. An event has to be counted or refused in the same way on all of them.
"""

import re

MAX_DEPTH = 500  # objects and arrays within one another
SHALLOW_BYTES = 2 * MAX_DEPTH  # JSON of at most this size can't be nested more deeply

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]+|[\]}]+")


def too_deep(value: bytes) -> bool:
    """Whether the JSON text has more than MAX_DEPTH objects and arrays within one another."""
    if len(value) <= SHALLOW_BYTES or value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for brackets in _BRACKETS.findall(_STRING.sub(b"", value)):
        depth += len(brackets) if brackets[:1] in b"[{" else -len(brackets)
        if depth > MAX_DEPTH:
            return True
    return False
