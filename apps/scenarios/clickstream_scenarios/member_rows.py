"""Members as lines of a CSV file: a header, then one member a line.

The columns `member_id` (or memberId), `gender` and `birth_date` (yyyy-mm-dd) have their meaning. Every other column is
an attribute, and an empty cell is none. Commas, semicolons or tabs separate columns: what the header has most of. No
cell has line breaks.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from clickstream_scenarios.errors import InvalidMember
from clickstream_scenarios.member import MAX_ATTRIBUTES, RESERVED, Member, read_member

_OLDEST_BIRTH = date(1880, 1, 1)
_OWN = ("member_id", "gender", "birth_date")
_OTHER_SPELLINGS = {"memberid": "member_id", "birthdate": "birth_date", "birthday": "birth_date"}


@dataclass(frozen=True)
class BadRow:
    """A row that is no member: the number of its line, from 1, and why."""

    line: int
    why: str


class BadHeader(Exception):
    """The first line does not name the columns; the message says what is wrong."""


def read_members(lines: Iterable[str], today: date) -> Iterator[Member | BadRow]:
    """Return the members and the bad rows, in order.

    Bytes that are not text come as surrogates (open the file with `errors="surrogateescape"`). Raises BadHeader.
    """
    source = iter(lines)
    first = next(source, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=first.count)
    columns = _columns(next(csv.reader([first], delimiter=delimiter), []))
    for number, line in enumerate(source, 2):
        try:
            # Line by line: a stray quote costs its own row, not the rest of the file.
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
            if cells:
                yield _member(columns, cells, today)
        except csv.Error as error:
            yield BadRow(number, f"it can't be taken apart: {error}")
        except InvalidMember as error:
            yield BadRow(number, str(error))


def _columns(header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    spelled = (_OTHER_SPELLINGS.get(name.lower(), name) for name in names)
    columns = [name.lower() if name.lower() in _OWN else name for name in spelled]
    if "member_id" not in columns:
        named = ", ".join(map(_shown, names))[:200]
        raise BadHeader(f"the first line must name the column member_id; it names {named or 'none'}")
    for place, name in enumerate(columns, 1):
        if not name:
            raise BadHeader(f"column {place} has no name in the first line")
        if columns.count(name) > 1:
            raise BadHeader(f"the first line names the column {_shown(name)} twice")
        if (name in RESERVED and name not in _OWN) or len(name) > 256 or _undecodable(name):
            raise BadHeader(f"the column {_shown(name)} can't be an attribute: its name is taken, too long or no text")
    if len(columns) > MAX_ATTRIBUTES:
        raise BadHeader(f"the first line names {len(columns)} columns; at most {MAX_ATTRIBUTES} are allowed")
    return columns


def _member(columns: Sequence[str], cells: Sequence[str], today: date) -> Member:
    if len(cells) != len(columns):
        raise InvalidMember(f"it has {len(cells)} cells, the first line {len(columns)}")
    values = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    for name, value in values.items():
        if _undecodable(value):
            raise InvalidMember(f"{name} is no text in the file's encoding (--encoding)")
    member_id, gender, birth_date = (values.pop(name, "") for name in _OWN)
    if not member_id:
        raise InvalidMember("member_id is empty")
    member = read_member(member_id, gender, birth_date, values)
    if member.birth_date is not None and not _OLDEST_BIRTH <= member.birth_date <= today:
        raise InvalidMember(f"birth_date {birth_date}: expected a day from {_OLDEST_BIRTH} to {today}")
    return member


def _undecodable(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _shown(name: str) -> str:
    return name[:50].encode("utf-8", "backslashreplace").decode()
