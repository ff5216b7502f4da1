"""Which version of a table in a folder is the current one (Iceberg's specification, "File System Tables").

The versions are metadata/v1.metadata.json, v2, …; `version-hint.text` says where to begin to look.
"""

from clickstream_archive.folders import Folder

HINT = "version-hint.text"
_SUFFIXES = (".metadata.json", ".gz.metadata.json")


def current_version(folder: Folder, location: str) -> tuple[int, str]:
    """Return the number and the metadata file of the table at `location`; (0, "") if there is none."""
    hint = folder.read(f"{location}/metadata/{HINT}")
    version = int(hint) if hint is not None and hint.strip().isdigit() else 0
    found = _existing(folder, location, version) if version else ""
    if not found:
        version = max(map(version_of, folder.names(f"{location}/metadata")), default=0)
        found = _existing(folder, location, version) if version else ""
    while following := _existing(folder, location, version + 1):
        version, found = version + 1, following
    return (version, found) if found else (0, "")


def metadata_file(location: str, version: int) -> str:
    """Return the name under which a version is published."""
    return f"{location}/metadata/v{version}{_SUFFIXES[0]}"


def version_of(file: str) -> int:
    """Return the version in the name of a metadata file; 0 for other names."""
    base = file.rpartition("/")[2]
    for suffix in _SUFFIXES:
        number = base.removeprefix("v").removesuffix(suffix)
        if base == f"v{number}{suffix}" and number.isdigit():
            return int(number)
    return 0


def _existing(folder: Folder, location: str, version: int) -> str:
    files = (f"{location}/metadata/v{version}{suffix}" for suffix in _SUFFIXES)
    return next((each for each in files if folder.exists(each)), "")
