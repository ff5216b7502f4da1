import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.windows import CountingRules


def read(*argv: str, **environ: str) -> StreamsSettings:
    return read_settings(StreamsSettings, prog="clickstream-streams", description="", argv=argv, environ=environ)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read()
    assert settings.group_id == "clickstream-processor"
    assert settings.rules == CountingRules(300_000, "event", 60_000)
    assert settings.out_of_orderness == 5_000
    assert settings.allowed_lateness == 60_000
    assert settings.idle_timeout == 10_000
    assert settings.commit_interval == 1_000
    assert settings.exact_limit == 100_000


def test_a_flag_wins_over_the_environment() -> None:
    assert read("--window-size", "30s", WINDOW_SIZE="1m").window_size == 30_000
    assert read(WINDOW_SIZE="1m").window_size == 60_000


def test_the_rules_are_what_decides_what_is_counted_where() -> None:
    settings = read(WINDOW_SIZE="1h", WINDOW_TIME="arrival", MAX_CLOCK_SKEW="0s", ALLOWED_LATENESS="1d")
    assert settings.rules == CountingRules(3_600_000, "arrival", 0)


def test_the_stages_have_names_of_their_own_in_kafka() -> None:
    settings = read(GROUP_ID="shop")
    assert settings.merge_group_id == "shop-merge"
    assert [settings.transactional_id(partition) for partition in (0, 11)] == ["shop-events-0", "shop-events-11"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WINDOW_SIZE", "5x"),
        ("WINDOW_SIZE", "0s"),
        ("WINDOW_SIZE", "500ms"),
        ("WINDOW_SIZE", "1500ms"),
        ("WINDOW_SIZE", "25h"),
        ("WINDOW_TIME", "processing"),
        ("OUT_OF_ORDERNESS", "-1s"),
        ("ALLOWED_LATENESS", "8d"),
        ("IDLE_TIMEOUT", "0s"),
        ("MAX_CLOCK_SKEW", "soon"),
        ("COMMIT_INTERVAL", "10ms"),
        ("EXACT_LIMIT", "0"),
        ("EXACT_LIMIT", "125001"),
        ("EXACT_LIMIT", "1e5"),
    ],
)
def test_a_wrong_value_is_one_line_with_name_value_and_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**{name: value})
    message = str(raised.value)
    assert message.startswith(f"{name}={value}: expected ")
    assert "\n" not in message


@pytest.mark.parametrize("size", ["1s", "7s", "1d"])
def test_windows_are_from_a_second_to_a_day(size: str) -> None:
    assert read(WINDOW_SIZE=size).window_size >= 1_000


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        ({"WINDOW_SIZE": "1s", "ALLOWED_LATENESS": "1d"}, "5s"),
        ({"WINDOW_SIZE": "20s", "ALLOWED_LATENESS": "7d"}, "29s"),
        ({"WINDOW_SIZE": "1s", "OUT_OF_ORDERNESS": "1d"}, "5s"),
        ({"WINDOW_SIZE": "1s", "MAX_CLOCK_SKEW": "10h"}, "2s"),
    ],
)
def test_more_windows_than_can_be_held_are_refused_with_what_is_allowed(settings: dict[str, str], least: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**settings)
    message = str(raised.value)
    size = settings["WINDOW_SIZE"]
    assert message.startswith(f"WINDOW_SIZE={size}: expected at least {least} with ALLOWED_LATENESS=")
    assert all(f"{name}={value}" in message for name, value in settings.items())
    assert "\n" not in message
    assert read(**(settings | {"WINDOW_SIZE": least})).window_size


def test_a_week_of_windows_of_30_s_may_change() -> None:
    assert read(WINDOW_SIZE="30s", ALLOWED_LATENESS="7d").allowed_lateness == 7 * 86_400_000


@pytest.mark.parametrize("name", ["EVENTS_TOPIC", "METRICS_TOPIC", "PARTIALS_TOPIC"])
def test_two_topics_of_the_same_name_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^DEAD_LETTER_TOPIC=clickstream-dead-letters: .* {name}$"):
        read(**{name: "clickstream-dead-letters"})


def test_a_group_that_would_share_another_ones_merge_group_is_refused() -> None:
    with pytest.raises(SettingsError, match="GROUP_ID=shop-merge"):
        read(GROUP_ID="shop-merge")
