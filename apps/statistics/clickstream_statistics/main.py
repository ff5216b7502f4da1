"""The job: results to Parquet by hour and to Redis, each once.

From top to bottom: settings, the session, the state from the checkpoint, Redis' writer, and the query until a signal.
"""

import sys
from importlib import import_module

from clickstream_core.errors import SettingsError
from clickstream_core.process import run
from clickstream_core.settings import read_settings
from clickstream_statistics.settings import APP, StatisticsSettings

DESCRIPTION = (
    "Stores the results of clickstream-scenario-results as Parquet by hour, and keeps each scenario's success ratio in"
    " Redis. Another command: clickstream-statistics copy --topic TOPIC --to PLACE."
)


def main() -> None:
    """Run the job until SIGTERM or SIGINT; `copy` as the first argument is the other command."""
    if sys.argv[1:2] == ["copy"]:
        run(lambda: int(import_module("clickstream_statistics.copying").main(sys.argv[2:])))
    run(lambda: _main(sys.argv[2:] if sys.argv[1:2] == ["run"] else sys.argv[1:]))


def _main(argv: list[str]) -> int:
    settings = read_settings(StatisticsSettings, prog=APP, description=DESCRIPTION, argv=argv)
    settings.required()
    raise SettingsError("clickstream-statistics is not complete yet")


if __name__ == "__main__":
    main()
