from clickstream_core.groups import DEFAULT_GROUP, group_of


def test_a_record_is_of_the_group_that_its_header_names() -> None:
    assert group_of([("reason", b"late"), ("group", "zweite-Zählung".encode())]) == "zweite-Zählung"


def test_a_record_without_the_header_is_of_the_default_group() -> None:
    assert group_of([]) == group_of([("reason", b"late")]) == DEFAULT_GROUP


def test_a_header_that_is_no_text_names_no_group_that_there_is() -> None:
    assert group_of([("group", b"\xff")]) == "\ufffd"
    assert group_of([("group", None)]) == ""
