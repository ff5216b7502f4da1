"""A member: who sends a request, as the database knows the person. Age is computed for a day, never stored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from clickstream_scenarios.errors import InvalidMember

Attribute = str | int | float | bool

MAX_ID_LENGTH = 191
"""Characters: an index of MariaDB holds them in utf8mb4."""

MAX_ATTRIBUTES = 100
MAX_VALUE_LENGTH = 1000

RESERVED = frozenset(
    {"age", "gender", "h", "scenario_id", "date", "method", "path", "remote_addr", "remote", "memberId", "member_id"}
    | {"birth_date", "success", "timestamp", "version", "member_known"}
)
"""Names that mean something else in a filter or a result."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Member:
    """What filters and formats may use of a member."""

    member_id: str
    gender: str | None = None
    birth_date: date | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def age_on(self, day: date) -> int | None:
        """Return the full years on a day; None without a birth date, or before it.

        Who was born on February 29 is a year older on March 1 of a common year.
        """
        born = self.birth_date
        if born is None or day < born:
            return None
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def read_member(
    member_id: str,
    gender: str | None = None,
    birth_date: str | date | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Member:
    """Return a member from text, as a CSV file or a form has it; an empty text is absent, genders become upper case.

    Raises InvalidMember for the first value that can't be used.
    """
    if not 1 <= len(member_id) <= MAX_ID_LENGTH or _CONTROL.search(member_id) or member_id != member_id.strip():
        raise InvalidMember(
            f"member_id {member_id[:60]!r}: expected 1 to {MAX_ID_LENGTH} characters without spaces around them"
        )
    gender = gender.strip().upper() if gender else ""
    if len(gender) > 32 or _CONTROL.search(gender):
        raise InvalidMember(f"gender {gender[:60]!r}: expected at most 32 characters, such as MALE or FEMALE")
    return Member(member_id, gender or None, _day(birth_date), _attributes(attributes or {}))


def _day(value: str | date | None) -> date | None:
    if isinstance(value, date) or not value:
        return value or None
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
            raise ValueError
        return date.fromisoformat(value.strip())
    except ValueError as error:
        raise InvalidMember(f"birth_date {value[:60]!r}: expected a day such as 1990-05-01") from error


def _attributes(attributes: Mapping[str, object]) -> dict[str, Attribute]:
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidMember(f"attributes: {len(attributes)} of them; at most {MAX_ATTRIBUTES} are allowed")
    kept: dict[str, Attribute] = {}
    for name, value in attributes.items():
        if not 1 <= len(name) <= 256 or name in RESERVED:
            raise InvalidMember(f"attribute {name[:60]!r}: this name is taken, or has no 1 to 256 characters")
        if value is None or value == "":
            continue
        if not isinstance(value, Attribute) or (isinstance(value, str) and len(value) > MAX_VALUE_LENGTH):
            raise InvalidMember(
                f"attribute {name[:60]}: expected up to {MAX_VALUE_LENGTH} characters of text, a number, true or false"
            )
        kept[name] = value
    return kept
