"""Commits to the archive's own tables: one snapshot for several hours, in which old files are replaced by new ones.

A commit holds the snapshot that it was made from. If another process committed in between, it fails, and is made again
from the table as it is then. Hours that two processes did at once are so replaced, never doubled.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from clickstream_archive.catalogs import NAMESPACE, catalog_errors, load_table
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.quoting import quoted
from clickstream_archive.raw import Hour
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.tables import HOUR_COLUMNS, TableSpec

_ATTEMPTS = 10

_log = logging.getLogger(__name__)


def open_table(catalog: Catalog, settings: CatalogSettings, spec: TableSpec) -> Table:
    """Return the table, created if it is missing."""
    try:
        return load_table(catalog, settings, spec.name)
    except MissingTable:
        pass
    with catalog_errors(settings):
        catalog.create_namespace_if_not_exists(NAMESPACE)
        try:
            return catalog.create_table(
                (NAMESPACE, spec.name), spec.schema, partition_spec=spec.partition_spec, properties=spec.properties
            )
        except TableAlreadyExistsError:
            return load_table(catalog, settings, spec.name)


def replace_hours(table: Table, settings: CatalogSettings, files: Mapping[Hour, Sequence[DataFile]]) -> None:
    """Commit the files as all there is of their hours."""

    def commit() -> None:
        old = [task.file for task in table.scan(row_filter=_any_hour(list(files))).plan_files()]
        if not old and not any(files.values()):
            return
        with table.transaction() as transaction:
            update = transaction.update_snapshot()
            with update.overwrite() if old else update.merge_append() as snapshot:
                for file in old:
                    snapshot.delete_data_file(file)
                for each in files.values():
                    for file in each:
                        snapshot.append_data_file(file)

    attempt(table, settings, commit)


def attempt(table: Table, settings: CatalogSettings, commit: Callable[[], None]) -> None:
    """Commit, again from the table's new state when another process was first. Raises ArchiveError in the end."""
    with catalog_errors(settings):
        for number in range(_ATTEMPTS):
            try:
                return commit()
            except (CommitFailedException, ValidationException) as error:
                _log.info("commit %s of %s was overtaken (%s); again", number + 1, table.name(), error)
                table.refresh()
    raise ArchiveError(
        f"{'.'.join(table.name())} is changed by others all the time; {_ATTEMPTS} commits were overtaken"
    )


def _any_hour(hours: Sequence[Hour]) -> str:
    """The rows of these hours, as few terms as days."""
    days: dict[tuple[str, str, str], list[str]] = {}
    for each in hours:
        days.setdefault((each.year, each.month, each.day), []).append(each.hour)
    return " or ".join(
        f"({rows_with(dict(zip(HOUR_COLUMNS, day, strict=False)))} and hour in ({', '.join(map(quoted, names))}))"
        if all(day)
        else "year is null"
        for day, names in sorted(days.items())
    )


def rows_with(values: Mapping[str, str]) -> str:
    """Return the filter for rows that have these values."""
    return " and ".join(f"{name} = {quoted(value)}" for name, value in values.items())
