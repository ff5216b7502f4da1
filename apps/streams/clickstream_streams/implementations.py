"""Which implementation counts: Rust's if its wheel is installed, else Python's; COUNTING demands one of them."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, cast

from clickstream_core import __version__
from clickstream_kafka.batches import Unpack
from clickstream_kafka.errors import FatalError
from clickstream_streams.counting import MakeCounting
from clickstream_streams.python_counting import PythonCounting

Choice = Literal["auto", "native", "python"]


@dataclass(frozen=True)
class Implementation:
    """`unpack` makes the records of a fetched batch; None leaves that to aiokafka. `note` is for the log."""

    name: Literal["native", "python"]
    make_counting: MakeCounting
    unpack: Unpack | None = None
    note: str = ""


def choose(wanted: str) -> Implementation:
    """Return the implementation for a value of COUNTING. Raises FatalError if `native` is wanted and can't be used."""
    choice = cast(Choice, wanted)
    if choice == "python":
        return Implementation("python", PythonCounting, note="COUNTING=python")
    try:
        found = version("clickstream-native")
    except PackageNotFoundError:
        return _without_native(choice, "clickstream-native is not installed")
    if found != __version__:
        return _without_native(choice, f"clickstream-native is version {found}, this is {__version__}")
    try:
        from clickstream_streams.native_counting import NativeCounting, unpack
    except ImportError as error:  # made for another machine
        return _without_native(choice, f"clickstream-native can't be imported: {error}")

    return Implementation("native", NativeCounting, unpack, note=f"clickstream-native {__version__}")


def _without_native(choice: Choice, why: str) -> Implementation:
    if choice == "native":
        raise FatalError(f"COUNTING=native: {why}; `make native` builds and installs it")
    return Implementation("python", PythonCounting, note=why)
