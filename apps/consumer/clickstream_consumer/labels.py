"""The words around the numbers in the terminal, in English and Korean (`labels.json`)."""

from importlib.resources import files

import msgspec


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language's words.

    `overview_cells` is the width in terminal cells that the overview's labels are padded to; `last_result` has a place
    for an `age` such as 12s.
    """

    title: str
    window: str
    overview: str
    total_events: str
    unique_users: str
    unique_sessions: str
    average_duration: str
    overview_cells: int
    event_types: str
    devices: str
    top_referrers: str
    top_pages: str
    starting: str
    source: str
    waiting: str
    last_result: str
    earlier: str
    events: str
    users: str


LABELS = msgspec.json.decode((files("clickstream_consumer") / "labels.json").read_bytes(), type=dict[str, Labels])
"""The labels of each language, by its code."""
