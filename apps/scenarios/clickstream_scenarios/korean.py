"""What is wrong with a scenario, in Korean: the English sentences of `scenario`, translated by their form."""

import re

_FORMS = (
    (r"expected an object with (.*)", "{0} 항목을 가진 객체여야 합니다"),
    (r"is not known; a scenario has (.*)", "알 수 없는 항목입니다. 시나리오의 항목: {0}"),
    (
        r"is not known; a filter has left, operator and right",
        "알 수 없는 항목입니다. 조건의 항목: left, operator, right",
    ),
    (r"must be a whole number from (.*) to (.*)", "{0}부터 {1} 사이의 정수여야 합니다"),
    (r"must be a list of \{left, operator, right\}", "left, operator, right를 가진 객체의 목록이어야 합니다"),
    (r"has (.*) filters; at most (.*) are allowed", "조건이 {0}개입니다. 최대 {1}개까지 가능합니다"),
    (r"has (.*) fields; at most (.*) are allowed", "항목이 {0}개입니다. 최대 {1}개까지 가능합니다"),
    (r"must be AND or OR", "AND 또는 OR여야 합니다"),
    (r"must be the name of a time zone, such as (.*)", "시간대 이름이어야 합니다. 예: UTC, Asia/Seoul"),
    (r"must be an object of \{field: 0 or 1\}", "{{항목: 0 또는 1}} 형식의 객체여야 합니다"),
    (r"must be 0 \(left out\) or 1 \(kept\)", "0(제외) 또는 1(저장)이어야 합니다"),
    (r"must be an object with left, operator and right", "left, operator, right를 가진 객체여야 합니다"),
    (r"must be one of (.*)", "다음 중 하나여야 합니다: {0}"),
    (r"must be empty: exists asks only whether the field is there", "비워 두세요. exists는 항목이 있는지만 확인합니다"),
    (r"must have (.*) to (.*) values", "값이 {0}개에서 {1}개여야 합니다"),
    (r"must be a list, or text with commas: (.*)", "목록이거나 쉼표로 나눈 텍스트여야 합니다. 예: MALE, FEMALE"),
    (r"must not be empty: every text (.*) nothing", "비워 둘 수 없습니다"),
    (r"must be a pattern of at most (.*) characters, not (.*)", "패턴은 최대 {0}자입니다(현재 {1}자)"),
    (r"is no pattern of RE2: (.*)", "RE2 정규식이 아닙니다: {0}"),
    (r"must have at most (.*) characters", "최대 {0}자까지 가능합니다"),
    (r"must be text or a number", "텍스트 또는 숫자여야 합니다"),
    (r"must be the name of a field, of 1 to (.*) characters", "1자에서 {0}자 사이의 항목 이름이어야 합니다"),
    (r"a visitor's address is never used", "방문자 주소는 사용할 수 없습니다"),
    (r"must be text of (.*) to (.*) characters", "{0}자에서 {1}자 사이의 텍스트여야 합니다"),
    (r"must not have line breaks or other control characters", "줄바꿈 같은 제어 문자를 쓸 수 없습니다"),
    (r"has half a surrogate pair", "깨진 유니코드 문자가 있습니다"),
)


def in_korean(message: str) -> str:
    """Return the message in Korean; one of another form stays as it is."""
    for form, korean in _FORMS:
        found = re.fullmatch(form, message, re.DOTALL)
        if found is not None:
            return korean.format(*found.groups())
    return message
