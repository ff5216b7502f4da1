from clickstream_core.log_throttle import LogThrottle


def test_a_subject_is_allowed_at_first_and_again_after_the_interval() -> None:
    throttle = LogThrottle(30.0)
    times = (1000.0, 1000.1, 1029.9, 1030.0, 1030.1)
    assert [throttle.allow("away", now) for now in times] == [True, False, False, True, False]


def test_subjects_do_not_silence_one_another() -> None:
    throttle = LogThrottle()
    assert [throttle.allow(subject, 0.0) for subject in ("a", "b", "a", "b")] == [True, True, False, False]


def test_trouble_that_was_over_is_news_when_it_comes_back() -> None:
    throttle = LogThrottle()
    assert throttle.allow("away", 0.0)
    throttle.clear()
    assert throttle.allow("away", 1.0)


def test_many_subjects_take_bounded_memory() -> None:
    throttle = LogThrottle()
    for number in range(2_500):
        assert throttle.allow(number, 0.0)
    assert len(throttle._logged_at) <= 1_000
