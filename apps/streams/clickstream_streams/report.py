"""What the processor prints on standard output."""

from clickstream_core.durations import describe_duration
from clickstream_core.logs import announce
from clickstream_core.window_metrics import WindowMetrics


def announce_start(events_topic: str, metrics_topic: str, window_size: int) -> None:
    """Print the banner; `window_size` is in milliseconds."""
    announce("🚀 Starting Clickstream Analytics Processor")
    announce(f"📥 Source: {events_topic}")
    announce(f"📤 Sink: {metrics_topic}")
    announce(f"⏱️  Window Size: {describe_duration(window_size)}\n")


def announce_window(metrics: WindowMetrics) -> None:
    """Print the block of a window whose result is committed; a revision is marked."""
    bounds = f"{metrics.window_start.removesuffix('Z')} → {metrics.window_end.removesuffix('Z')}"
    revision = f" (revision {metrics.revision})" if metrics.revision else ""
    announce(
        f"✅ Window completed: {bounds}{revision}\n"
        f"   Events processed: {metrics.total_events}\n"
        f"   Unique users: {metrics.unique_users}\n",
        window=metrics.window_start,
        window_start=metrics.window_start,
        window_end=metrics.window_end,
        revision=metrics.revision,
        total_events=metrics.total_events,
        unique_users=metrics.unique_users,
    )
