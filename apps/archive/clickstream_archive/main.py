"""`clickstream-archive compact|report|sql|verify`: the batch side of the archive; `COMMAND --help` explains each."""

from typing import NoReturn

from clickstream_archive.settings import ArchiveSettings
from clickstream_core.process import run
from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_kafka_python


def main() -> NoReturn:
    """The entry point: exit status 0, 1 when something differs or failed, 2 for invalid settings."""
    apply_to_kafka_python()
    run(_main)


def _main() -> int:
    read_settings(ArchiveSettings, prog="clickstream-archive", description="The batch side of the archive.")
    return 0


if __name__ == "__main__":
    main()
