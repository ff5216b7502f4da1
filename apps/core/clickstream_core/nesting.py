"""How deep JSON may be nested: a limit of our own, for the decoders' is the interpreter's.

msgspec and json stop where Python's recursion does: at some 950 levels on 3.11, 10,000 on 3.13, what is left of the
stack on 3.14. What counts and what is refused has to be the same on all of them.
"""

import re

DEEPEST = 500
"""Objects and arrays within one another."""

SHALLOW_BYTES = 2 * DEEPEST
"""JSON of no more bytes can't be nested deeper."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]+|[\]}]+")


def too_deep(value: bytes) -> bool:
    """Whether the JSON text has more than DEEPEST objects and arrays within one another."""
    if len(value) <= SHALLOW_BYTES or value.count(b"[") + value.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for brackets in _BRACKETS.findall(_STRING.sub(b"", value)):
        depth += len(brackets) if brackets[:1] in b"[{" else -len(brackets)
        if depth > DEEPEST:
            return True
    return False
