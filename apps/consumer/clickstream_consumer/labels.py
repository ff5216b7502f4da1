"""What the dashboard says around the numbers, in English and Korean."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Labels:
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


ENGLISH = Labels(
    title="CLICKSTREAM METRICS",
    window="Window",
    overview="OVERVIEW",
    total_events="Total Events",
    unique_users="Unique Users",
    unique_sessions="Unique Sessions",
    average_duration="Avg Duration",
    overview_cells=18,
    event_types="EVENT TYPES",
    devices="DEVICES",
    top_referrers="TOP REFERRERS",
    top_pages="TOP PAGES",
    starting="Starting metrics consumer...",
    source="Source",
    waiting="Waiting for metrics",
    last_result="Last result {age} ago",
    earlier="EARLIER WINDOWS",
    events="events",
    users="users",
)

KOREAN = Labels(
    title="클릭스트림 메트릭",
    window="윈도우",
    overview="개요",
    total_events="총 이벤트",
    unique_users="고유 사용자",
    unique_sessions="고유 세션",
    average_duration="평균 체류시간",
    overview_cells=15,
    event_types="이벤트 유형",
    devices="디바이스",
    top_referrers="상위 리퍼러",
    top_pages="상위 페이지",
    starting="메트릭 컨슈머를 시작합니다...",
    source="소스",
    waiting="메트릭을 기다리는 중",
    last_result="마지막 결과: {age} 전",
    earlier="이전 윈도우",
    events="이벤트",
    users="사용자",
)


def labels_for(language: str) -> Labels:
    """Return the labels of `language`, `en` or `ko`."""
    return {"en": ENGLISH, "ko": KOREAN}[language]
