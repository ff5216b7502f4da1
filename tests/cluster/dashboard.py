"""The dashboard that belongs to a result, written down a second time on purpose, to compare with a consumer's log."""

from kit.offline import Numbers, Result


def dashboard(result: Result, numbers: Numbers) -> str:
    """The block, from one line of = to the last, with the numbers given."""
    line = "=" * 80
    revision = f" (revision {result.revision})" if result.revision else ""
    blocks = [
        f"{line}\n📊 CLICKSTREAM METRICS\n{line}",
        f"⏰ Window: {result.window_start} → {result.window_end}{revision}\n",
        "📈 OVERVIEW:",
        f"   Total Events:     {numbers['total_events']:,}",
        f"   Unique Users:     {numbers['unique_users']:,}",
        f"   Unique Sessions:  {numbers['unique_sessions']:,}",
        f"   Avg Duration:     {numbers['avg_duration_ms']:,}ms",
    ]
    for title, name, width in (
        ("🔹 EVENT TYPES", "event_types", 15),
        ("📱 DEVICES", "devices", 15),
        ("🔗 TOP REFERRERS", "top_referrers", 20),
        ("📄 TOP PAGES", "top_pages", 30),
    ):
        counts, total = numbers[name], numbers["total_events"]
        assert isinstance(counts, dict), counts
        assert isinstance(total, int), total
        blocks.append(f"\n{title}:")
        blocks += [f"   {each:{width}} {count:6,} ({100 * count / total:5.1f}%)" for each, count in counts.items()]
    return "\n".join([*blocks, line])
