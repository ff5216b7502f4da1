import pytest

from clickstream_scenarios.errors import InvalidScenario
from clickstream_scenarios.korean import in_korean
from clickstream_scenarios.scenario import OPERATORS, Filter, Scenario, read_scenario
from clickstream_scenarios.sentences import LANGUAGES, sentence
from kit.scenarios import REFERENCE


def test_the_references_example_in_words() -> None:
    scenario = read_scenario(REFERENCE)
    assert sentence(scenario, "en") == (
        "A request succeeds if the member's age is greater than 20, and the member's gender is “MALE”, and the hour is"
        " at least 9. Its result keeps memberId, h."
    )
    assert sentence(scenario, "ko") == (
        "다음을 모두 만족하는 요청이 성공입니다: 회원 나이 값이 20보다 큼, 회원 성별 값이 “MALE”와(과) 같음, "
        "시각(시) 값이 9 이상. 결과에 남기는 항목: memberId, h."
    )


def test_a_scenario_without_conditions_or_fields_and_one_with_a_time_zone() -> None:
    assert sentence(Scenario(1, "x"), "en") == (
        "Every request succeeds: there are no conditions. Its result keeps no fields."
    )
    seoul = Scenario(1, "x", filters=(Filter("url", "exists"),) * 2, logical_operator="OR", timezone="Asia/Seoul")
    assert sentence(seoul, "en") == (
        "A request succeeds if “url” is there, or “url” is there. Its result keeps no fields. Hours, days and ages are"
        " those of Asia/Seoul."
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_has_words(operator: str, language: str) -> None:
    right = ("a", "b", 1, 2, 3, 4) if operator in ("in", "not in") else "x" * 200
    scenario = Scenario(1, "x", filters=(Filter("res", operator, right), Filter("age", operator, right)))
    assert 40 < len(sentence(scenario, language)) < 600


WRONG = [
    [],
    {"scenario_id": 0, "title": "", "manager": 1, "nonsense": 1, "log_format": [], "filters": {}, "timezone": "x"},
    {
        "scenario_id": 1,
        "title": "a\nb",
        "manager": "\ud800",
        "logical_operator": "XOR",
        "log_format": {"": 2, "remote": 1},
    },
    {"scenario_id": 1, "title": "x", "filters": [{}] * 101, "log_format": {str(each): 1 for each in range(501)}},
    {
        "scenario_id": 1,
        "title": "x",
        "filters": [
            1,
            {"left": "", "operator": "~", "more": 1},
            {"left": "a", "operator": "==", "right": None},
            {"left": "a", "operator": "==", "right": "x" * 4001},
            {"left": "a", "operator": "exists", "right": "x"},
            {"left": "a", "operator": "in", "right": []},
            {"left": "a", "operator": "in", "right": " "},
            {"left": "a", "operator": "contains", "right": ""},
            {"left": "a", "operator": "matches", "right": "("},
            {"left": "a", "operator": "matches", "right": "x" * 1001},
        ],
    },
]


@pytest.mark.parametrize("wrong", WRONG)
def test_every_problem_has_korean_words(wrong: object) -> None:
    with pytest.raises(InvalidScenario) as refused:
        read_scenario(wrong)
    for problem in refused.value.problems:
        korean = in_korean(problem.message)
        assert korean != problem.message
        assert any("가" <= character <= "힣" for character in korean)
        assert "{" not in korean.replace("{항목: 0 또는 1}", "")


def test_words_of_another_form_stay_as_they_are() -> None:
    assert in_korean("something new") == "something new"
