"""Settings, declared once and read from the command line and the environment.

A settings class is a frozen dataclass whose fields are made with `setting`, or are settings classes themselves.
A setting has one name: WINDOW_SIZE is the environment variable WINDOW_SIZE and the flag `--window-size` (few have a
shorter flag: DASHBOARD_LANGUAGE is `--language`). The flag wins over the environment, the environment over the default,
and an empty environment variable counts as not set (Helm charts and shells produce those). All three are text that goes
through the same parser, so a default cannot be a value that a user could not have written.

A value that the parser refuses ends the program before it has connected to anything: `read_settings` raises
SettingsError with one line, and `clickstream_core.process.run` turns that into exit status 2.
"""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints, overload

from clickstream_core.durations import format_duration, parse_duration
from clickstream_core.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class _Setting:
    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    switch: bool
    flag: str


@overload
def setting(name: str, *, parse: Callable[[str], T], default: str, help: str, flag: str | None = ...) -> T: ...
@overload
def setting(
    name: str, *, parse: Callable[[str], T], default: None = ..., help: str, flag: str | None = ...
) -> T | None: ...
def setting(
    name: str,
    *,
    parse: Callable[[str], Any],
    default: str | None = None,
    help: str,
    flag: str | None = None,
) -> Any:
    """Declare a dataclass field as the setting `name`.

    `parse` turns text into the field's value and raises ValueError with "expected ..." in words. `default` is text too;
    None means that the setting may be absent, and the field is then None. `flag` is for the rare flag that is not the
    setting's name, `--language`.
    """
    return _field(_Setting(name, parse, default, help, False, flag or _flag(name)))


def switch(name: str, *, help: str, flag: str | None = None) -> bool:
    """Declare a flag without a value, `--from-beginning`; in the environment it is written FROM_BEGINNING=true."""
    declared: bool = _field(_Setting(name, boolean, "false", help, True, flag or _flag(name)))
    return declared


def setting_of(cls: type[Any], name: str, default: str | None = None) -> Any:
    """Declare the setting of another class's field `name` in this class too, with another default if one is given."""
    declared: _Setting = cls.__dataclass_fields__[name].metadata["setting"]
    return _field(declared if default is None else replace(declared, default=default))


def _flag(name: str) -> str:
    return "--" + name.lower().replace("_", "-")


def _field(declared: _Setting) -> Any:
    default = None if declared.default is None else declared.parse(declared.default)
    return field(default=default, metadata={"setting": declared})


def read_settings(
    cls: type[T],
    *,
    prog: str,
    description: str,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> T:
    """Read `cls` and the settings classes in it from `argv` (default: the process's) and `environ` (likewise).

    After the values are read, each class's `validate()` is called where it has one, the inner classes first; it raises
    SettingsError for combinations. `--help` prints every setting with its variable and default and exits with 0.

    Raises SettingsError, one line, for the first value that is not allowed and for unknown arguments.
    """
    parser = _ArgumentParser(prog=prog, description=description, allow_abbrev=False, formatter_class=_HelpFormatter)
    for declared in _settings_of(cls):
        if declared.switch:
            parser.add_argument(
                declared.flag, dest=declared.name, help=_help(declared), action="store_const", const="true"
            )
        else:
            parser.add_argument(declared.flag, dest=declared.name, help=_help(declared), metavar="VALUE")
    known, unknown = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    if unknown:
        parser.error(f"unrecognized arguments: {_named(unknown)}")
    return _build(cls, vars(known), os.environ if environ is None else environ)


# -- parsers ----------------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """Any text that is not empty."""
    if not value.strip():
        raise ValueError("expected some text")
    return value


def boolean(value: str) -> bool:
    """`true` or `false`, the value of a switch."""
    return choice("true", "false")(value) == "true"


def path(value: str) -> Path:
    """A file that exists and can be read."""
    file = Path(value)
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise ValueError(f"expected a file that can be read ({error.strerror})") from error


def choice(*allowed: str) -> Callable[[str], str]:
    """One of the given words, in any case; the result is written as given here."""

    def parse(value: str) -> str:
        for word in allowed:
            if word.casefold() == value.strip().casefold():
                return word
        raise ValueError(f"expected {_alternatives(allowed)}")

    return parse


def matching(pattern: str, description: str) -> Callable[[str], str]:
    """Text that matches the regular expression as a whole; `description` says so in words."""

    def parse(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"expected {description}")
        return value

    return parse


def number(
    *, above: float = -math.inf, minimum: float = -math.inf, maximum: float = math.inf
) -> Callable[[str], float]:
    """A finite number greater than `above`, and within `minimum` and `maximum`, both included."""

    def parse(value: str) -> float:
        try:
            result = float(value)
        except ValueError:
            result = math.nan
        if not (math.isfinite(result) and above < result and minimum <= result <= maximum):
            raise ValueError("expected a number" + _bounds(above, minimum, maximum))
        return result

    return parse


def number_or_off(what: str, minimum: float, maximum: float) -> Callable[[str], float]:
    """A number within these bounds, or `off`, which is infinity; `what` says in words what is counted."""

    def parse(value: str) -> float:
        if value.strip().lower() == "off":
            return math.inf
        try:
            return number(minimum=minimum, maximum=maximum)(value)
        except ValueError as error:
            raise ValueError(f"expected off, or {what} between {minimum:.7g} and {maximum:.7g}") from error

    return parse


def integer(*, minimum: int | None = None, maximum: int | None = None) -> Callable[[str], int]:
    """A whole number within `minimum` and `maximum`, both included."""

    def parse(value: str) -> int:
        low = -math.inf if minimum is None else minimum
        high = math.inf if maximum is None else maximum
        if re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value, re.ASCII) is None or not low <= int(value) <= high:
            raise ValueError("expected a whole number" + _bounds(-math.inf, low, high))
        return int(value)

    return parse


port = integer(minimum=1, maximum=65535)
port_or_none = integer(minimum=0, maximum=65535)


def duration(*, minimum: str, maximum: str, whole_seconds: bool = False) -> Callable[[str], int]:
    """A duration within `minimum` and `maximum` (both included, written as durations), in milliseconds."""
    low, high = parse_duration(minimum), parse_duration(maximum)
    unit = ", in whole seconds" if whole_seconds else ""
    expected = f"between {format_duration(low)} and {format_duration(high)}{unit}"

    def parse(value: str) -> int:
        try:
            milliseconds = parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{error} {expected}") from error
        if not low <= milliseconds <= high or (whole_seconds and milliseconds % 1000):
            raise ValueError(f"expected a duration such as 500ms, 10s, 5m or 1h {expected}")
        return milliseconds

    return parse


# -- reading ----------------------------------------------------------------------------------------------------------


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message} (--help lists what is allowed)")


def _named(unknown: Sequence[str]) -> str:
    """The flags among the arguments; the others are only counted, they may be the secret of a misspelt flag."""
    named = [argument.partition("=")[0] for argument in unknown if argument.startswith("-")]
    counted = len(unknown) - len(named)
    return " and ".join(filter(None, [", ".join(named), f"{counted} without a flag" if counted else ""]))


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=100)


def _settings_of(cls: type[Any]) -> Iterator[_Setting]:
    for part in _fields_of(cls):
        if isinstance(part, _Setting):
            yield part
        else:
            yield from _settings_of(part)


def _fields_of(cls: type[Any]) -> Iterator[_Setting | type[Any]]:
    types = get_type_hints(cls)
    for declared in fields(cls):
        kind = types[declared.name]
        if "setting" in declared.metadata:
            yield declared.metadata["setting"]
        elif isinstance(kind, type) and is_dataclass(kind):
            yield kind
        else:
            raise TypeError(f"{cls.__name__}.{declared.name} is neither made with setting() nor a settings class")


def _build(cls: type[T], flags: Mapping[str, str | None], environ: Mapping[str, str]) -> T:
    values = (
        _value(part, flags, environ) if isinstance(part, _Setting) else _build(part, flags, environ)
        for part in _fields_of(cls)
    )
    settings = cls(*values)
    validate = getattr(settings, "validate", None)
    if validate is not None:
        validate()
    return settings


def _value(declared: _Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Any:
    given, source = flags[declared.name], f" (from {declared.flag})"
    if given is None:
        given, source = environ.get(declared.name) or declared.default, ""
    if given is None:
        return None
    try:
        return declared.parse(given)
    except ValueError as error:
        shown = given if given.isprintable() else repr(given)
        raise SettingsError(f"{declared.name}={shown}{source}: {error}") from error


def _help(declared: _Setting) -> str:
    default = "" if declared.default is None or declared.switch else f"; default {declared.default}"
    return f"{declared.help} [{declared.name}{default}]".replace("%", "%%")


def _alternatives(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _bounds(above: float, minimum: float, maximum: float) -> str:
    if math.isfinite(minimum) and math.isfinite(maximum):
        return f" between {minimum:.15g} and {maximum:.15g}"
    parts = [
        f" greater than {above:.15g}" if math.isfinite(above) else "",
        f" of at least {minimum:.15g}" if math.isfinite(minimum) else "",
        f" of at most {maximum:.15g}" if math.isfinite(maximum) else "",
    ]
    return " and".join(filter(None, parts))
