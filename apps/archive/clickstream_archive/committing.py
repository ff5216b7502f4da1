"""Commits to the archive's own tables: one snapshot for several hours, in which old files are replaced by new ones.

A commit holds the snapshot that it was made from. If another process committed in between, it fails, and is made again
from the table as it is then, without the hours that the other one has replaced: it may have known more raw records.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

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
_Result = TypeVar("_Result")


def open_table(catalog: Catalog, settings: CatalogSettings, spec: TableSpec) -> Table:
    """Return the table, created if it is missing."""
    table = find_table(catalog, settings, spec.name)
    if table is not None:
        return table
    with catalog_errors(settings):
        catalog.create_namespace_if_not_exists(NAMESPACE)
        try:
            return catalog.create_table(
                (NAMESPACE, spec.name), spec.schema, partition_spec=spec.partition_spec, properties=spec.properties
            )
        except TableAlreadyExistsError:
            return load_table(catalog, settings, spec.name)


def find_table(catalog: Catalog, settings: CatalogSettings, name: str) -> Table | None:
    """Return the table as it is now; None when it is missing."""
    try:
        return load_table(catalog, settings, name)
    except MissingTable:
        return None


def files_by_hour(
    table: Table | None, settings: CatalogSettings, topic: str, hours: Sequence[Hour]
) -> dict[Hour, list[DataFile]]:
    """Return the files of this topic's hours in the table as it was loaded; a file is of one topic."""
    found: dict[Hour, list[DataFile]] = {}
    if table is None or not hours:
        return found
    with catalog_errors(settings):
        for task in table.scan(row_filter=f"({_any_hour(hours)}) and {rows_with({'topic': topic})}").plan_files():
            partition = task.file.partition
            hour = Hour(*(partition[place] or "" for place in range(len(HOUR_COLUMNS))))
            found.setdefault(hour, []).append(task.file)
    return found


def replace_hours(
    table: Table,
    settings: CatalogSettings,
    topic: str,
    files: Mapping[Hour, Sequence[DataFile]],
    before: Mapping[Hour, Sequence[DataFile]],
) -> set[Hour]:
    """Commit the files as all there is of the topic's hours; return the hours committed.

    `before` are the hours' files from before the raw files were listed. An hour with others now is left to the process
    that made them.
    """

    def commit() -> set[Hour]:
        now = files_by_hour(table, settings, topic, list(files))
        mine = {hour for hour in files if _paths(now.get(hour)) == _paths(before.get(hour))}
        old = [file for hour in mine for file in now.get(hour, ())]
        new = [file for hour in mine for file in files[hour]]
        if old or new:
            with table.transaction() as transaction:
                update = transaction.update_snapshot()
                with update.overwrite() if old else update.merge_append() as snapshot:
                    for file in old:
                        snapshot.delete_data_file(file)
                    for file in new:
                        snapshot.append_data_file(file)
        return mine

    return attempt(table, settings, commit)


def _paths(files: Sequence[DataFile] | None) -> set[str]:
    return {file.file_path for file in files or ()}


def attempt(table: Table, settings: CatalogSettings, commit: Callable[[], _Result]) -> _Result:
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
