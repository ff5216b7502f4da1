"""`clickstream-scenarios members import FILE.csv`: reads members from a file into the database."""

import codecs
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings, setting, text
from clickstream_scenarios.database import connect
from clickstream_scenarios.failed import failed
from clickstream_scenarios.import_members import ImportFailed, import_members, shown_bad_rows
from clickstream_scenarios.store_settings import DatabaseSettings

_ANSWER_S = 60
_USAGE = "clickstream-scenarios members import FILE.csv"


def _encoding(value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError as error:
        raise ValueError("expected the name of an encoding, such as utf-8 or cp949") from error


@dataclass(frozen=True)
class MembersSettings:
    """The database, and how the file is read."""

    database: DatabaseSettings
    encoding: str = setting(
        "MEMBERS_ENCODING",
        parse=_encoding,
        default="utf-8",
        help="the file's encoding; Excel in Korean writes cp949",
        flag="--encoding",
    )
    bad_rows: str | None = setting(
        "MEMBERS_BAD_ROWS", parse=text, help="file to write all bad rows to, as CSV", flag="--bad-rows"
    )


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 1 when rows were bad or the import did not come to its end."""
    action, *rest = argv or ["--help"]
    if action in ("-h", "--help"):
        rest, file = ["--help"], ""
    elif action != "import" or not rest or rest[0].startswith("-"):
        raise SettingsError(f"expected {_USAGE} [option ...]")
    else:
        file, *rest = rest
    settings = read_settings(
        MembersSettings,
        prog=_USAGE,
        description="Adds members, and replaces those that are there. The file has a header: member_id, gender,"
        " birth_date (yyyy-mm-dd), and any other columns, which become attributes.",
        argv=rest,
    )
    settings.database.required()
    configure_logs("WARNING", "text", "clickstream-scenarios")
    report = None if settings.bad_rows is None else Path(settings.bad_rows)
    try:
        bad_row, end = shown_bad_rows(report)
    except OSError as error:
        raise SettingsError(f"MEMBERS_BAD_ROWS={report}: it can't be written ({error.strerror})") from error
    engine = connect(settings.database, _ANSWER_S)
    try:
        done = import_members(engine, Path(file), _user(), encoding=settings.encoding, bad_row=bad_row)
    except ImportFailed as error:
        return failed("members import", error)
    finally:
        end()
        engine.dispose()
    print(f"{done.members:,} members imported, {done.bad:,} bad rows left out.")
    return 1 if done.bad else 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "members import"
