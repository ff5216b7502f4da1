from clickstream_collector.headers import elements, fields, single


def test_lines_of_one_name_are_one_list_in_their_order() -> None:
    headers = fields([(b"x-forwarded-for", b"1.1.1.1"), (b"dnt", b"1"), (b"x-forwarded-for", b"2.2.2.2,3.3.3.3")])
    assert headers == {b"x-forwarded-for": b"1.1.1.1, 2.2.2.2,3.3.3.3", b"dnt": b"1"}
    assert elements(headers, b"x-forwarded-for") == ["1.1.1.1", "2.2.2.2", "3.3.3.3"]


def test_of_what_has_commas_of_its_own_the_first_line_counts() -> None:
    lines = [(b"user-agent", b"Mozilla/5.0 (KHTML, like Gecko)"), (b"user-agent", b"proxy")]
    lines += [(b"referer", b"https://a.example/x,y"), (b"referer", b"https://b.example/")]
    assert list(fields(lines).values()) == [b"Mozilla/5.0 (KHTML, like Gecko)", b"https://a.example/x,y"]


def test_empty_elements_do_not_count() -> None:
    assert elements({b"a": b" ,, x ,"}, b"a") == ["x"]
    assert elements({b"a": b""}, b"a") == elements({}, b"a") == []


def test_a_value_that_is_repeated_is_one_and_different_ones_are_a_list() -> None:
    assert single({b"a": b"x, x,x"}, b"a") == "x"
    assert single({b"a": b"x,y"}, b"a") == "x, y"
    assert single({}, b"a") == ""
