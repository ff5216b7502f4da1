"""Settings from flags and environment, and the lines that wrong ones end with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import (
    boolean,
    choice,
    duration,
    integer,
    matching,
    number,
    path,
    read_settings,
    setting,
    setting_of,
    switch,
    text,
)


@dataclass(frozen=True)
class Inner:
    port: int = setting("HTTP_PORT", parse=integer(minimum=0, maximum=65535), default="8080", help="port")


@dataclass(frozen=True)
class Settings:
    inner: Inner
    window_size: int = setting(
        "WINDOW_SIZE", parse=duration(minimum="1s", maximum="1d", whole_seconds=True), default="5m", help="100 % sure"
    )
    seed: int | None = setting("SEED", parse=integer(), help="seed")
    from_beginning: bool = switch("FROM_BEGINNING", help="from the start")

    language: str = setting(
        "DASHBOARD_LANGUAGE", parse=choice("en", "ko"), default="en", flag="--language", help="en or ko"
    )

    def validate(self) -> None:
        if self.seed == 13:
            raise SettingsError("SEED=13: expected any other number")


def read(*argv: str, **environ: str) -> Settings:
    return read_settings(Settings, prog="app", description="An app", argv=argv, environ=environ)


def test_without_flags_and_environment_the_defaults_hold() -> None:
    assert read() == Settings(Inner(port=8080), window_size=300_000, seed=None, from_beginning=False)


def test_the_environment_is_read_in_inner_classes_too() -> None:
    assert read(WINDOW_SIZE="30s", HTTP_PORT="0", SEED="7", FROM_BEGINNING="true") == Settings(
        Inner(port=0), window_size=30_000, seed=7, from_beginning=True
    )


def test_a_class_may_declare_another_ones_setting_with_a_default_of_its_own() -> None:
    @dataclass(frozen=True)
    class Other:
        size: int = setting_of(Settings, "window_size", default="30s")
        language: str = setting_of(Settings, "language")

    def read_other(*argv: str) -> Other:
        return read_settings(Other, prog="app", description="An app", argv=argv, environ={})

    assert read_other() == Other(size=30_000, language="en")
    assert read_other("--window-size", "1m", "--language", "ko") == Other(size=60_000, language="ko")
    with pytest.raises(SettingsError, match="^WINDOW_SIZE=0s"):
        read_other("--window-size", "0s")


def test_a_flag_wins_over_the_environment() -> None:
    assert read("--window-size", "1m", "--from-beginning", WINDOW_SIZE="30s").window_size == 60_000


def test_a_flag_may_have_another_name_than_its_variable() -> None:
    assert read("--language", "ko").language == read(DASHBOARD_LANGUAGE="ko").language == "ko"
    with pytest.raises(SettingsError, match=r"^DASHBOARD_LANGUAGE=de \(from --language\): expected en or ko$"):
        read("--language", "de")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(WINDOW_SIZE="", SEED="") == read()


def test_a_wrong_variable_is_named_with_value_and_what_is_allowed() -> None:
    with pytest.raises(SettingsError) as caught:
        read(WINDOW_SIZE="5x")
    assert str(caught.value) == (
        "WINDOW_SIZE=5x: expected a duration such as 500ms, 10s, 5m or 1h between 1s and 1d, in whole seconds"
    )


def test_a_wrong_flag_is_named_with_value_and_what_is_allowed() -> None:
    with pytest.raises(SettingsError) as caught:
        read("--http-port=70000")
    assert str(caught.value) == ("HTTP_PORT=70000 (from --http-port): expected a whole number between 0 and 65535")


def test_a_value_with_line_ends_stays_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        read(WINDOW_SIZE="5\nm")
    assert str(caught.value).startswith(r"WINDOW_SIZE='5\nm': expected a duration")


@pytest.mark.parametrize("argv", [["--windows", "5m"], ["5m"], ["--window-size"], ["--window", "5m"]])
def test_unknown_and_unfinished_arguments_are_refused(argv: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"^[^\n]*--help[^\n]*$"):
        read(*argv)


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--kafka-sasl-passwords", "my secret"], "--kafka-sasl-passwords and 1 without a flag"),
        (["--kafka-sasl-passwords=secret"], "--kafka-sasl-passwords"),
        (["--window-size", "5m", "secret", "-x", "secret"], "-x and 2 without a flag"),
        (["secret"], "1 without a flag"),
    ],
)
def test_an_argument_that_may_be_a_misspelt_flags_secret_is_not_shown(argv: list[str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(*argv)
    assert str(caught.value) == f"unrecognized arguments: {named} (--help lists what is allowed)"


def test_combinations_are_validated() -> None:
    with pytest.raises(SettingsError, match="SEED=13"):
        read("--seed", "13")


def test_help_lists_every_flag_with_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert "--window-size VALUE 100 % sure [WINDOW_SIZE; default 5m]" in printed
    assert "--http-port VALUE port [HTTP_PORT; default 8080]" in printed
    assert "--seed VALUE seed [SEED]" in printed
    assert "--from-beginning from the start [FROM_BEGINNING]" in printed


def test_a_field_that_is_no_setting_is_a_programming_error() -> None:
    @dataclass(frozen=True)
    class Wrong:
        names: list[str] = field(default_factory=list)

    with pytest.raises(TypeError, match=r"Wrong\.names"):
        read_settings(Wrong, prog="app", description="", argv=[], environ={})


@pytest.mark.parametrize(
    ("parse", "given", "expected"),
    [
        (integer(minimum=1), "0", "a whole number of at least 1"),
        (integer(minimum=1), "1.0", "a whole number of at least 1"),
        (integer(minimum=1), "١", "a whole number of at least 1"),
        (integer(minimum=1), "9" * 5000, "a whole number of at least 1"),
        (integer(maximum=1), "2", "a whole number of at most 1"),
        (integer(), "1_000", "a whole number"),
        (number(above=0, maximum=20_000), "0", "a number greater than 0 and of at most 20000"),
        (number(minimum=0, maximum=1), "1.5", "a number between 0 and 1"),
        (number(), "nan", "a number"),
        (number(), "inf", "a number"),
        (number(), "ten", "a number"),
        (choice("en", "ko"), "de", "en or ko"),
        (choice("a", "b", "c"), "", "a, b or c"),
        (boolean, "1", "true or false"),
        (text, "  ", "some text"),
        (matching("[a-z]+", "lower-case letters"), "A", "lower-case letters"),
        (duration(minimum="1s", maximum="1d"), "500ms", "a duration such as 500ms, 10s, 5m or 1h between 1s and 1d"),
        (duration(minimum="1s", maximum="1d"), "2d", "a duration such as 500ms, 10s, 5m or 1h between 1s and 1d"),
        (
            duration(minimum="1s", maximum="1d", whole_seconds=True),
            "1500ms",
            "a duration such as 500ms, 10s, 5m or 1h between 1s and 1d, in whole seconds",
        ),
        (path, "/no/such/file", "a file that can be read (No such file or directory)"),
        (path, "/", "a file that can be read (Is a directory)"),
    ],
)
def test_a_parser_says_what_it_expects(parse: Callable[[str], Any], given: str, expected: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(given)
    assert str(caught.value) == f"expected {expected}"


def test_parsers_return_what_they_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert [
        integer(minimum=-1)("-1"),
        number(above=0)("0.5"),
        choice("SSL", "PLAINTEXT")("ssl"),
        boolean("False"),
        text("x y"),
        matching("[a-z]+", "")("abc"),
        duration(minimum="0s", maximum="1d")("500ms"),
        path(str(file)),
    ] == [-1, 0.5, "SSL", False, "x y", "abc", 500, file]
