"""SQL on the archive's tables: forms of the answer, and nothing that changes anything."""

import pytest
from pyiceberg.catalog import Catalog

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
