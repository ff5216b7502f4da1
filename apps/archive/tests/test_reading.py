"""Raw records are read in chunks that fit the memory, whatever their size."""

import random
from dataclasses import replace

from pyiceberg.catalog import Catalog

from clickstream_archive.engine import engine
from clickstream_archive.raw_table import raw_files
from clickstream_archive.reading import read_rows
from clickstream_archive.settings import CatalogSettings
from kit.archive import DEAD_LETTERS, EVENTS, recorded_pipeline, write_raw


def test_a_chunk_of_large_records_has_fewer_rows(place: CatalogSettings, catalog: Catalog) -> None:
    small = recorded_pipeline(events=3_000, seconds=60).read(EVENTS, "")
    draw = random.Random(1)
    large = [replace(each, value=draw.randbytes(1_000_000)) for each in small[:60]]
    table = write_raw(catalog, small)
    with engine(place) as connection:
        assert [batch.num_rows for batch in read_rows(connection, raw_files(table))] == [3_000]
    write_raw(catalog, large)
    table.refresh()
    with engine(place) as connection:
        batches = [(batch.num_rows, batch.nbytes) for batch in read_rows(connection, raw_files(table))]
    assert sum(rows for rows, _ in batches) == 3_060
    assert max(size for _, size in batches) < 34 << 20


def test_values_that_are_not_wanted_are_not_read(place: CatalogSettings, catalog: Catalog) -> None:
    letters = recorded_pipeline(events=500, seconds=60).read(DEAD_LETTERS, "")
    large = [replace(each, value=random.Random(1).randbytes(1_000_000)) for each in letters]
    files = raw_files(write_raw(catalog, large))
    with engine(place) as connection:
        (batch,) = read_rows(connection, files, ["reason"], values=False)
    assert batch.schema.names == ["partition", "offset", "timestamp", "reason"]
    assert batch.num_rows == len(letters)
    assert batch.nbytes < 100_000
