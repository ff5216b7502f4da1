"""A catalog without a service: tables in a folder of HDFS or of this machine, as Iceberg's HadoopCatalog keeps them.

A table's versions are `<warehouse>/<namespace>/<table>/metadata/v1.metadata.json`, v2, …; the highest is the current
one, and `version-hint.text` says where to begin to look. A commit writes the next version under another name and
renames it: whoever comes second finds the name taken and has to begin again (Iceberg's table specification, "File
System Tables"; HadoopTableOperations in Iceberg's core). PyIceberg has no such catalog.
"""

import uuid
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.table.update import TableRequirement, TableUpdate, update_table_metadata
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties

from clickstream_archive.folders import folder_of
from clickstream_archive.versions import HINT, current_version, metadata_file, version_of


class HadoopCatalog(NoopCatalog):
    """Loads, creates and commits; the rest of PyIceberg's interface raises NotImplementedError."""

    def __init__(self, name: str, warehouse: str, **properties: str) -> None:
        super().__init__(name, warehouse=warehouse, **properties)
        self._warehouse = warehouse.rstrip("/")
        self._folder = folder_of(warehouse)

    def load_table(self, identifier: str | Identifier) -> Table:
        location = self._location(identifier)
        version, metadata_location = current_version(self._folder, location)
        if version == 0:
            raise NoSuchTableError(f"Table does not exist: {'.'.join(self.identifier_to_tuple(identifier))}")
        io = self._load_file_io(location=metadata_location)
        metadata = FromInputFile.table_metadata(io.new_input(metadata_location))
        return self._table(identifier, metadata, metadata_location)

    def create_table(
        self,
        identifier: str | Identifier,
        schema: Any,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> Table:
        place = self._location(identifier)
        if location is not None or not isinstance(schema, Schema):
            raise ValueError("a hadoop catalog decides where a table lies, and takes an Iceberg schema")
        metadata = new_table_metadata(
            schema=schema, partition_spec=partition_spec, sort_order=sort_order, location=place, properties=properties
        )
        if current_version(self._folder, place)[0] or not self._publish(place, 1, metadata):
            raise TableAlreadyExistsError(f"Table {'.'.join(self.identifier_to_tuple(identifier))} already exists")
        return self.load_table(identifier)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        location = self._location(table.name())
        current = self.load_table(table.name())
        for requirement in requirements:
            requirement.validate(current.metadata)
        metadata = update_table_metadata(current.metadata, updates, metadata_location=current.metadata_location)
        version = version_of(current.metadata_location) + 1
        if not self._publish(location, version, metadata):
            raise CommitFailedException(f"version {version} of {location} was committed by another process")
        return CommitTableResponse.model_validate(
            {"metadata": metadata, "metadata-location": metadata_file(location, version)}
        )

    def table_exists(self, identifier: str | Identifier) -> bool:
        return current_version(self._folder, self._location(identifier))[0] > 0

    def namespace_exists(self, namespace: str | Identifier) -> bool:
        return True  # a folder, which is made with its first table

    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        """Do nothing: it is a folder, which is made with its first table."""

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        name = Catalog.namespace_to_string(namespace)
        names = self._folder.names(f"{self._warehouse}/{name}")
        return [(name, each) for each in names if self.table_exists((name, each))]

    def drop_table(self, identifier: str | Identifier) -> None:
        self._folder.delete(self._location(identifier))

    def _publish(self, location: str, version: int, metadata: TableMetadata) -> bool:
        written = f"{location}/metadata/{uuid.uuid4()}.metadata.json"
        self._folder.write(written, metadata.model_dump_json(exclude_none=True).encode())
        if not self._folder.publish(written, metadata_file(location, version)):
            self._folder.delete(written)
            return False
        hint = f"{location}/metadata/{uuid.uuid4()}.{HINT}"
        self._folder.write(hint, str(version).encode())
        self._folder.replace(hint, f"{location}/metadata/{HINT}")
        return True

    def _table(self, identifier: str | Identifier, metadata: TableMetadata, metadata_location: str) -> Table:
        io = self._load_file_io(metadata.properties, metadata_location)
        return Table(self.identifier_to_tuple(identifier), metadata, metadata_location, io, self)

    def _location(self, identifier: str | Identifier) -> str:
        return "/".join((self._warehouse, *self.identifier_to_tuple(identifier)))
