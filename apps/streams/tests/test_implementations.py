"""Which implementation COUNTING chooses. Here the wheel is a module without contents, or missing."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from types import ModuleType

import pytest

from clickstream_core import __version__
from clickstream_kafka.errors import FatalError
from clickstream_streams import implementations
from clickstream_streams.implementations import choose
from clickstream_streams.python_counting import PythonCounting


class Wheel:
    """The wheel as it looks to `choose`: installed in a version, and with a module."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        module = ModuleType("clickstream_native")
        module.TooLarge = ValueError  # type: ignore[attr-defined]
        self.install(__version__, module)

    def install(self, version: str | None, module: ModuleType | None) -> None:
        def found(name: str) -> str:
            if version is None:
                raise PackageNotFoundError(name)
            return version

        self._patch.setattr(implementations, "version", found)
        self._patch.setitem(sys.modules, "clickstream_native", module)
        self._patch.delitem(sys.modules, "clickstream_streams.native_counting", raising=False)


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wheel]:
    yield Wheel(monkeypatch)
    sys.modules.pop("clickstream_streams.native_counting", None)  # imported with the wheel without contents


@pytest.mark.parametrize("counting", ["auto", "native"])
def test_the_wheel_counts_if_it_is_installed(wheel: Wheel, counting: str) -> None:
    chosen = choose(counting)
    assert (chosen.name, chosen.note) == ("native", f"clickstream-native {__version__}")
    assert chosen.unpack is not None


def test_python_counts_if_that_is_wanted(wheel: Wheel) -> None:
    chosen = choose("python")
    assert (chosen.name, chosen.make_counting, chosen.unpack) == ("python", PythonCounting, None)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (None, "clickstream-native is not installed"),
        ("0.0.9", f"clickstream-native is version 0.0.9, this is {__version__}"),
        (__version__, "clickstream-native can't be imported: "),
    ],
)
def test_without_a_wheel_that_fits_python_counts_unless_the_wheel_is_demanded(
    wheel: Wheel, version: str | None, why: str
) -> None:
    wheel.install(version, None)
    assert (choose("auto").name, choose("auto").unpack) == ("python", None)
    assert choose("auto").note.startswith(why)
    with pytest.raises(FatalError) as refused:
        choose("native")
    assert str(refused.value).startswith(f"COUNTING=native: {why}")
    assert str(refused.value).endswith("; `make native` builds and installs it")
