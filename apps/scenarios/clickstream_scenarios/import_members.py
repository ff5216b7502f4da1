"""`clickstream-scenarios members import FILE.csv`: reads members into the database.

Rows are written in batches, each in a transaction. Bad rows are left out and reported. An import can be repeated: a
member who is there is replaced. At the end the import is announced, and within seconds every replica forgets the
members that it has in memory and in Redis.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_rows import BadHeader, BadRow, read_members
from clickstream_scenarios.member_store import announce_import, write_members

_BATCH_ROWS = 2000
_SHOWN_BAD_ROWS = 20
_PATIENCE_S = 60.0
_PAUSE_S = 1.0


class ImportFailed(Exception):
    """The file can't be imported, or not to its end; the message says why and what is in."""


@dataclass
class Imported:
    """What became of the rows of a file."""

    members: int = 0
    bad: int = 0


def import_members(
    engine: Engine,
    file: Path,
    by: str,
    *,
    encoding: str = "utf-8",
    bad_row: Callable[[BadRow], None],
    wait: Callable[[float], object] = time.sleep,
    patience_s: float = _PATIENCE_S,
) -> Imported:
    """Import the members of `file`; `bad_row` is called for each bad row.

    A database that goes away is waited for. Raises ImportFailed, with what is in until then.
    """
    done = Imported()
    batch: list[Member] = []

    def write() -> None:
        _write(engine, batch, wait, patience_s)
        done.members += len(batch)
        batch.clear()

    try:
        with _opened(file, encoding) as (lines, advance):
            for row in read_members(lines, datetime.now(UTC).date()):
                if isinstance(row, BadRow):
                    done.bad += 1
                    bad_row(row)
                    continue
                batch.append(row)
                if len(batch) == _BATCH_ROWS:
                    write()
                    advance()
            write()
    except BadHeader as error:
        raise ImportFailed(f"{file}: {error}") from error
    except OSError as error:
        raise ImportFailed(f"{file} can't be read: {error.strerror or error}") from error
    except (DatabaseAway, KeyboardInterrupt) as error:
        why = "stopped" if isinstance(error, KeyboardInterrupt) else str(error)
        raise ImportFailed(f"{why}; {done.members:,} members are in: run the import again") from error
    finally:
        if done.members:
            _announce(engine, by, f"{done.members:,} members from {file.name}, {done.bad:,} bad rows")
    return done


def _write(engine: Engine, batch: Sequence[Member], wait: Callable[[float], object], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            write_members(engine, batch)
        except DatabaseAway:
            if time.monotonic() > deadline:
                raise
            wait(_PAUSE_S)
        else:
            return


def _announce(engine: Engine, by: str, detail: str) -> None:
    try:
        announce_import(engine, by, detail)
    except DatabaseAway as error:
        print(f"The import could not be announced ({error}): caches keep members for up to 10 minutes", file=sys.stderr)


@contextmanager
def _opened(file: Path, encoding: str) -> Iterator[tuple[TextIO, Callable[[], None]]]:
    """The file's text, and a function that shows how far it has been read, in a terminal."""
    console = Console(stderr=True)
    with file.open("rb") as source, TextIOWrapper(source, encoding, "surrogateescape", newline="") as lines:
        if not console.is_terminal:
            yield lines, lambda: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(file.name, total=file.stat().st_size)
            yield lines, lambda: bar.update(task, completed=source.tell())


def shown_bad_rows(report: Path | None) -> tuple[Callable[[BadRow], None], Callable[[], None]]:
    """Return what shows a bad row, and what ends the report.

    The first bad rows go to standard error; all of them to the file `report` as CSV, if one is given.
    """
    number = 0
    output = None if report is None else report.open("w", encoding="utf-8", newline="")
    if output is not None:
        output.write("line,reason\r\n")

    def show(row: BadRow) -> None:
        nonlocal number
        number += 1
        if number <= _SHOWN_BAD_ROWS:
            print(f"line {row.line}: {row.why}", file=sys.stderr)
        elif number == _SHOWN_BAD_ROWS + 1:
            where = "--bad-rows FILE writes all" if report is None else f"{report} has all"
            print(f"… more bad rows; {where}", file=sys.stderr)
        if output is not None:
            quoted = row.why.replace('"', '""')
            output.write(f'{row.line},"{quoted}"\r\n')

    def end() -> None:
        if output is not None:
            output.close()

    return show, end
