from datetime import date

import pytest

from clickstream_scenarios.member import Member
from clickstream_scenarios.member_rows import BadHeader, BadRow, read_members

TODAY = date(2026, 11, 27)


def _read(*lines: str) -> list[Member | BadRow]:
    return list(read_members([f"{line}\r\n" for line in lines], TODAY))


def test_a_row_is_a_member_and_other_columns_are_attributes() -> None:
    assert _read("memberId,gender,birth_date,grade,city", "123456,male,2001-06-18,VIP,서울", '"a,b", ,,,') == [
        Member("123456", "MALE", date(2001, 6, 18), {"grade": "VIP", "city": "서울"}),
        Member("a,b"),
    ]


@pytest.mark.parametrize("header", ["member_id;gender;vip", "\ufeffMEMBER_ID;Gender;vip", "member_id\tgender\tvip"])
def test_columns_are_separated_as_the_header_has_them(header: str) -> None:
    row = "1;FEMALE;yes".replace(";", "\t" if "\t" in header else ";")
    assert _read(header, row) == [Member("1", "FEMALE", None, {"vip": "yes"})]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1,MALE", "it has 2 cells, the first line 4"),
        (" ,MALE,1990-01-01,x", "member_id is empty"),
        ("1,MALE,1990-02-30,x", "birth_date '1990-02-30': expected a day such as 1990-05-01"),
        ("1,MALE,2026-11-28,x", "birth_date 2026-11-28: expected a day from 1880-01-01 to 2026-11-27"),
        ("1,MALE,0001-01-01,x", "birth_date 0001-01-01: expected a day from 1880-01-01 to 2026-11-27"),
        (f"{'1' * 192},MALE,,", f"member_id {'1' * 60!r}: expected 1 to 191 characters without spaces around them"),
        (f"1,{'M' * 33},,", f"gender {'M' * 33!r}: expected at most 32 characters, such as MALE or FEMALE"),
        (
            f"1,MALE,,{'x' * 1001}",
            "attribute grade: expected up to 1000 characters of text, a number, true or false",
        ),
        ("1,MALE,,\udcb1", "grade is no text in the file's encoding (--encoding)"),
        ("1,MALE,,\0", "grade is no text in the file's encoding (--encoding)"),
        ('1,MALE,,"x', "it can't be taken apart: unexpected end of data"),
    ],
)
def test_a_bad_row_is_named_and_spoils_no_other(row: str, why: str) -> None:
    header = "member_id,gender,birth_date,grade"
    assert _read(header, "0,,,", row, "", "2,,,") == [Member("0"), BadRow(3, why), Member("2")]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "the first line must name the column member_id; it names none"),
        ("id,gender", "the first line must name the column member_id; it names id, gender"),
        ("member_id,,gender", "column 2 has no name in the first line"),
        ("member_id,grade,grade", "the first line names the column grade twice"),
        ("member_id,memberId", "the first line names the column member_id twice"),
        ("member_id,age", "the column age can't be an attribute: its name is taken, too long or no text"),
        (",".join(["member_id", *map(str, range(100))]), "the first line names 101 columns; at most 100 are allowed"),
    ],
)
def test_a_header_that_names_no_members_is_refused(header: str, why: str) -> None:
    with pytest.raises(BadHeader, match=f"^{why}$"):
        _read(header, "1,2,3")
