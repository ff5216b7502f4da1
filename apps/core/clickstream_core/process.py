"""How an app's process ends: with which exit status, and which last words."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from clickstream_core.errors import SettingsError
from clickstream_core.logs import complain, give_up_output, thread_errors_logged

_log = logging.getLogger(__name__)


def run(main: Callable[[], int]) -> NoReturn:
    """Run an app's `main` and end the process with the exit status that it returns.

    SettingsError becomes one line on standard error and exit status 2; Ctrl+C before the app has installed its own
    handlers becomes status 130, as shells have it; any other error is logged with its traceback, with status 1. With
    LOG_FORMAT=json all of these are JSON lines too.
    """
    with thread_errors_logged():
        try:
            status = main()
        except SettingsError as error:
            complain(str(error), Path(sys.argv[0]).name, __name__, as_json=_log_format() == "json")
            status = 2
        except KeyboardInterrupt:
            status = 130
        except Exception:
            _log.exception("Ended by an error that nobody expected")
            status = 1
    give_up_output()
    sys.exit(status)


def _log_format() -> str:
    """What was given for LOG_FORMAT, when the settings as a whole were refused."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log-format", nargs="?")
    flags, _ = parser.parse_known_args()
    given: str = flags.log_format or os.environ.get("LOG_FORMAT", "")
    return given.strip().casefold()
