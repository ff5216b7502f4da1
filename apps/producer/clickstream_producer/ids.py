"""Identifiers that no run repeats: event ids (random UUIDs) and session ids.

They come from a separate generator, so that they do not affect the seeded one that decides what users do.
"""

from random import Random


class RandomIds:
    """Generates identifiers from `source`; the default is seeded by the operating system."""

    def __init__(self, source: Random | None = None) -> None:
        self._bits = (source or Random()).getrandbits

    def event_id(self) -> str:
        """Return a random UUID (RFC 9562, version 4)."""
        # uuid.uuid4() asks the operating system each time and takes three times as long.
        digits = f"{self._bits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def session_id(self) -> str:
        return f"sess_{self._bits(48):012x}"
