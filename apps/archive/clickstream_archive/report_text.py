"""A day's report as text, in the layout of the dashboard's blocks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from clickstream_archive.day import Day

_RULE = "=" * 80
_BAR = "█"
_BAR_LENGTH = 40
_NAME_LENGTH = 42


def in_words(day: Day, now: datetime) -> str:
    """Return the report; a day without events is one sentence."""
    remarks_of_day = list(remarks(day, now))
    if not day.events:
        return "\n".join(remarks_of_day)
    lines = [_RULE, f"📅 {day.day} (UTC)", _RULE, "", "📈 OVERVIEW:"]
    for title, number in (("Events", day.events), ("Unique Users", day.users), ("Unique Sessions", day.sessions)):
        lines.append(f"   {title + ':':<17} {number:>11,}")
    lines.append(f"   {'Avg Duration:':<17} {day.avg_duration_ms or 0:>11,}ms")
    for title, counts in (
        ("🔹 EVENT TYPES", day.event_types),
        ("📱 DEVICES", day.devices),
        ("🌍 COUNTRIES", day.countries),
        ("🔗 REFERRERS", day.top_referrers),
        ("📄 PAGES", day.top_pages),
    ):
        if counts:
            lines += ["", f"{title}:", *_shares(counts, day.events)]
    lines += ["", "🛒 SESSIONS THAT ...", *_funnel(day.funnel)]
    lines += ["", "🕐 EVENTS BY HOUR:", *_hours(day)]
    lines += [""] if remarks_of_day else []
    return "\n".join([*lines, *(f"ℹ️  {each}" for each in remarks_of_day), _RULE])


def remarks(day: Day, now: datetime) -> Iterator[str]:
    """Yield what a reader must know about the numbers' source, each in a sentence."""
    source = day.source
    if not day.events and source.archive_begins is None:
        yield "The archive has no events yet."
    elif not day.events:
        first, last = source.archive_begins, source.archive_ends
        yield f"There are no events of {day.day}; the archive has hours from {first} to {last}."
    elif source.archive_begins is not None and source.archive_begins > f"{day.day}T00":
        yield f"The archive begins at {source.archive_begins}, so earlier events of the day are not in it."
    if day.events and now.date().isoformat() == day.day:
        yield "The day is not over."
    if source.raw:
        hours = f"Hours {_list(source.raw)} are" if len(source.raw) > 1 else f"Hour {source.raw[0]} is"
        yield f"{hours} not compacted yet: counted from the raw records."
    if source.untyped:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in source.untyped.items())
        yield f"Not among the events are records that are none: {counts}."


def _list(hours: Sequence[str]) -> str:
    """`09`, `09 and 10`, or `00 to 10` for a row of hours without a gap."""
    if len(hours) > 2 and int(hours[-1]) - int(hours[0]) == len(hours) - 1:
        return f"{hours[0]} to {hours[-1]}"
    return " and ".join(filter(None, [", ".join(hours[:-1]), hours[-1]]))


def _shares(counts: Mapping[str, int], total: int) -> Iterator[str]:
    for name, count in counts.items():
        shown = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
        yield f"   {shown:<{_NAME_LENGTH}} {count:>11,} ({100 * count / total:5.1f}%)"


def _funnel(funnel: Mapping[str, int]) -> Iterator[str]:
    first = next(iter(funnel.values()), 0)
    titles = ("viewed a page", "then added to cart", "then purchased")
    for title, count in zip(titles, funnel.values(), strict=True):
        share = f"({100 * count / first:5.1f}%)" if first else ""
        yield f"   {title:<{_NAME_LENGTH}} {count:>11,} {share}".rstrip()


def _hours(day: Day) -> Iterator[str]:
    most = max(each.events for each in day.hours)
    for each in day.hours:
        bar = _BAR * round(_BAR_LENGTH * each.events / most) if most else ""
        yield f"   {each.hour:02} {each.events:>11,} {bar}".rstrip()
