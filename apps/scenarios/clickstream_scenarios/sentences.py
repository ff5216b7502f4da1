"""What a scenario means, in a sentence, in English and Korean."""

from typing import NamedTuple

from clickstream_scenarios.scenario import EXISTS, LISTS, Filter, Scenario

LANGUAGES = ("en", "ko")
_SHOWN_VALUES = 5
_SHOWN_LENGTH = 80


class _Words(NamedTuple):
    fields: dict[str, str]
    field: str
    operators: dict[str, str]
    more: str
    always: str
    both: dict[str, str]
    link: dict[str, str]
    kept: str
    nothing_kept: str
    hours: str


_EN = _Words(
    fields={"age": "the member's age", "gender": "the member's gender", "h": "the hour", "memberId": "the member id"},
    field="“{}”",
    operators={
        "==": "{} is {}",
        "!=": "{} is there and not {}",
        ">": "{} is greater than {}",
        ">=": "{} is at least {}",
        "<": "{} is less than {}",
        "<=": "{} is at most {}",
        "in": "{} is one of {}",
        "not in": "{} is there and none of {}",
        "contains": "{} contains {}",
        "starts with": "{} starts with {}",
        "ends with": "{} ends with {}",
        "matches": "{} matches the pattern {}",
        EXISTS: "{} is there",
    },
    more=" and {} more",
    always="Every request succeeds: there are no conditions.",
    both={"AND": "A request succeeds if {}.", "OR": "A request succeeds if {}."},
    link={"AND": ", and ", "OR": ", or "},
    kept="Its result keeps {}.",
    nothing_kept="Its result keeps no fields.",
    hours="Hours, days and ages are those of {}.",
)
_KO = _Words(
    fields={"age": "회원 나이", "gender": "회원 성별", "h": "시각(시)", "memberId": "회원 ID"},
    field="“{}” 값",
    operators={
        "==": "{}이 {}와(과) 같음",
        "!=": "{}이 있고 {}와(과) 다름",
        ">": "{}이 {}보다 큼",
        ">=": "{}이 {} 이상",
        "<": "{}이 {}보다 작음",
        "<=": "{}이 {} 이하",
        "in": "{}이 {} 중 하나",
        "not in": "{}이 있고 {} 중 어느 것도 아님",
        "contains": "{}에 {} 포함",
        "starts with": "{}의 시작이 {}",
        "ends with": "{}의 끝이 {}",
        "matches": "{}이 패턴 {}에 맞음",
        EXISTS: "{}이 있음",
    },
    more=" 외 {}개",
    always="조건이 없으므로 모든 요청이 성공입니다.",
    both={
        "AND": "다음을 모두 만족하는 요청이 성공입니다: {}.",
        "OR": "다음 중 하나라도 만족하는 요청이 성공입니다: {}.",
    },
    link={"AND": ", ", "OR": ", "},
    kept="결과에 남기는 항목: {}.",
    nothing_kept="결과에 남기는 항목이 없습니다.",
    hours="시각, 날짜, 나이는 {} 기준입니다.",
)
_WORDS = {"en": _EN, "ko": _KO}


def sentence(scenario: Scenario, language: str) -> str:
    """Return what the scenario means; `language` is one of LANGUAGES."""
    words = _WORDS[language]
    if scenario.filters:
        conditions = words.link[scenario.logical_operator].join(_condition(each, words) for each in scenario.filters)
        rule = words.both[scenario.logical_operator].format(conditions)
    else:
        rule = words.always
    kept = words.kept.format(", ".join(scenario.kept)) if scenario.kept else words.nothing_kept
    zone = [] if scenario.timezone == "UTC" else [words.hours.format(scenario.timezone)]
    return " ".join([rule, kept, *zone])


def _condition(condition: Filter, words: _Words) -> str:
    name = words.fields.get(condition.left) or words.field.format(_short(condition.left))
    subject = f"{name} 값" if words is _KO and condition.left in words.fields else name
    if condition.operator == EXISTS:
        return words.operators[EXISTS].format(subject)
    return words.operators[condition.operator].format(subject, _right(condition, words))


def _right(condition: Filter, words: _Words) -> str:
    right = condition.right
    if condition.operator not in LISTS:
        return _quoted(right)
    values = right if isinstance(right, tuple) else [each.strip() for each in str(right).split(",")]
    more = words.more.format(len(values) - _SHOWN_VALUES) if len(values) > _SHOWN_VALUES else ""
    return ", ".join(map(_quoted, values[:_SHOWN_VALUES])) + more


def _quoted(value: object) -> str:
    text = str(value)
    is_number = text.replace(".", "", 1).removeprefix("-").isdecimal()
    return text if is_number else f"“{_short(text)}”"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
