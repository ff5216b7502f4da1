"""`clickstream-archive report --day 2026-11-27`: what happened on a day, in the terminal, as JSON, or as a page."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from clickstream_archive.command import begin
from clickstream_archive.day import report
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.lake import lake
from clickstream_archive.progress import progress
from clickstream_archive.report_page import page
from clickstream_archive.report_text import in_words, remarks
from clickstream_archive.settings import ArchiveSettings, CatalogSettings, OutputSettings
from clickstream_core.errors import SettingsError
from clickstream_core.settings import setting


def a_day(value: str) -> date | str:
    """A day as YYYY-MM-DD, or `today` or `yesterday` in UTC."""
    text = value.strip().lower()
    if text in ("today", "yesterday"):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("expected a day such as 2026-11-27, or today or yesterday (in UTC)") from error


@dataclass(frozen=True)
class ReportSettings:
    """The archive, the day, and the form."""

    archive: ArchiveSettings
    output: OutputSettings
    day: date | str | None = setting("DAY", parse=a_day, help="the day in UTC: 2026-11-27, today or yesterday")
    html: Path | None = setting("HTML", parse=Path, help="write a page with charts to this file; it needs no network")

    def validate(self) -> None:
        """Raise SettingsError without a day."""
        if self.day is None:
            raise SettingsError("DAY is not set: expected --day 2026-11-27, --day today or --day yesterday (in UTC)")


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    settings = begin(
        ReportSettings,
        "report",
        "Shows a day: events, users, sessions, pages, referrers, devices, countries, the funnel, hours.",
        argv,
    )
    began, started_at = time.monotonic(), datetime.now(UTC)
    day = _day(settings.day)
    with lake(settings.archive.catalog) as opened, progress("Counting raw records", None, "rows") as advance:
        if not opened.sources.keys() & {"raw", "events"}:
            raise _no_archive(settings.archive.catalog)
        found = report(opened, settings.archive.events_topic, day, advance)
    now = datetime.now(UTC)
    result: dict[str, Any] = {"command": "report", **asdict(found), "remarks": list(remarks(found, now))}
    result["seconds"] = round(time.monotonic() - began, 2)
    if settings.html is not None:
        try:
            settings.html.write_text(page(result), encoding="utf-8")
        except OSError as error:
            raise ArchiveError(f"HTML={settings.html}: it can't be written ({error.strerror})") from error
    if settings.output.as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(in_words(found, now))
        if settings.html is not None:
            print(f"\nThe page is {settings.html}")
    if settings.output.record:
        from clickstream_archive.runs import Run, record_run  # imports PyIceberg, which takes a second

        record_run(settings.archive.catalog, Run("report", started_at, datetime.now(UTC), 0, result))
    return 0


def _no_archive(catalog: CatalogSettings) -> MissingTable:
    from clickstream_archive.catalogs import where  # imports PyIceberg, which takes a second

    return MissingTable(f"there is no table clickstream.raw in {where(catalog)}")


def _day(given: date | str | None) -> date:
    today = datetime.now(UTC).date()
    if isinstance(given, date):
        return given
    return today - timedelta(days=1) if given == "yesterday" else today
