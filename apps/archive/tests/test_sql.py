"""SQL on the archive's tables: forms of the answer, and nothing that changes anything."""

import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive.settings import CatalogSettings
from kit.archive import Run, recorded_pipeline, write_raw


@pytest.fixture
def archive(run: Run, catalog: Catalog) -> Catalog:
    write_raw(catalog, recorded_pipeline(events=200, seconds=60).messages)
    run("compact")
    return catalog


def test_an_answer_is_a_table_json_or_csv(run: Run, archive: Catalog) -> None:
    query = "SELECT topic, count(*) AS n FROM raw WHERE topic = 'clickstream-events' GROUP BY 1"
    status, text = run("sql", query)
    assert status == 0
    rows = [line.split() for line in text.splitlines()]
    assert (rows[0], rows[2], rows[3]) == (["topic", "┃", "n"], ["clickstream-events", "│", "200"], ["1", "row"])
    assert run("sql", query, "--json") == (0, {"topic": "clickstream-events", "n": 200})
    assert run("sql", query, "--csv") == (0, "topic,n\nclickstream-events,200\n")


def test_all_tables_can_be_asked(run: Run, archive: Catalog) -> None:
    for table in ("raw", "events", "metrics", "compactions"):
        status, row = run("sql", f"SELECT count(*) AS n FROM {table}", "--json")
        assert (status, row["n"] > 0) == (0, True)
    status, row = run("sql", "SELECT event_types, window_start FROM metrics ORDER BY window_start LIMIT 1", "--json")
    assert status == 0
    assert all(isinstance(count, int) for count in row["event_types"].values())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ("SELECT * FROM nothing", "Table with name nothing does not exist"),
        ("SELECT nothing FROM events", 'Referenced column "nothing" not found'),
        ("DROP VIEW events", "expected one SELECT: nothing can be changed with sql"),
        ("SELECT 1; SELECT 2", "expected one SELECT"),
        ("DELETE FROM events", "expected one SELECT"),
        ("COPY events TO '/tmp/x.csv'", "expected one SELECT"),
        ("ATTACH '/tmp/x.db'", "expected one SELECT"),
        ("SET threads = 1", "expected one SELECT"),
        ("EXPLAIN ANALYZE COPY events TO '/tmp/x.csv'", "expected one SELECT"),
        ("", "expected one SELECT"),
    ],
)
def test_an_error_is_one_line(run: Run, archive: Catalog, query: str, words: str) -> None:
    status, text = run("sql", query)
    assert status == 1
    assert words in text
    assert text.startswith("clickstream-archive sql: ")
    assert text.count("\n") == 1


def test_a_query_is_needed(run: Run, archive: Catalog) -> None:
    status, text = run("sql")
    assert status == 2
    assert "expected a query first" in text
    assert run("sql", "SELECT 1", "--json", "--csv")[0] == 2


def test_each_number_of_an_answer_is_one_in_json(run: Run, archive: Catalog) -> None:
    query = (
        'SELECT sum("offset") - sum("offset") + 7 AS whole, 1.5::DECIMAL(9, 2) AS part, \'nan\'::DOUBLE AS nan,'
        " [1e400::DOUBLE, 2] AS list, MAP {1: 'a'} AS map, {'n': 3::HUGEINT} AS struct FROM events"
    )
    status, text = run("sql", "--json", query)
    expected = {"whole": 7, "part": 1.5, "nan": None, "list": [None, 2], "map": {"1": "a"}, "struct": {"n": 3}}
    assert (status, text) == (0, expected)


def test_the_query_may_come_behind_options(run: Run, archive: Catalog, place: CatalogSettings) -> None:
    assert run("sql", "--json", "SELECT 1 AS n") == (0, {"n": 1})
    assert run("sql", "--warehouse", place.warehouse, "SELECT 1 AS n", "--json") == (0, {"n": 1})
    assert run("sql", "--csv", "TABLE events", "--warehouse", "/nowhere")[0] == 1


def test_a_table_shows_the_first_rows_of_a_long_answer(run: Run, archive: Catalog) -> None:
    status, text = run("sql", "SELECT range AS n FROM range(10_001)")
    lines = text.splitlines()
    assert (status, len(lines), lines[-1]) == (0, 10_003, "the first 10,000 rows; --csv and --json give all")
    assert run("sql", "SELECT range AS n FROM range(10_000)")[1].splitlines()[-1] == "10,000 rows"
    assert len(run("sql", "SELECT range AS n FROM range(10_001)", "--csv")[1].splitlines()) == 10_002
