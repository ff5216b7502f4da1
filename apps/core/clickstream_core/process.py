"""How an app's process ends: its exit status, and its last log line."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from clickstream_core.errors import SettingsError
from clickstream_core.logs import discard_stdout, print_error, thread_errors_logged

_log = logging.getLogger(__name__)


def run(main: Callable[[], int]) -> NoReturn:
    """Run an app's `main` and end the process with the exit status that it returns.

    A SettingsError is one line on standard error and exit status 2. Ctrl+C before the app has installed its own
    handlers is status 130, as in shells. Any other error is logged with its traceback and is status 1. With
    LOG_FORMAT=json all of these are JSON lines too.
    """
    with thread_errors_logged():
        try:
            status = main()
        except SettingsError as error:
            print_error(str(error), Path(sys.argv[0]).name, __name__, as_json=_log_format() == "json")
            status = 2
        except KeyboardInterrupt:
            status = 130
        except Exception:
            _log.exception("Unhandled error")
            status = 1
    discard_stdout()
    sys.exit(status)


def _log_format() -> str:
    """The value given for LOG_FORMAT, for use when the settings as a whole were refused."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log-format", nargs="?")
    flags, _ = parser.parse_known_args()
    given: str = flags.log_format or os.environ.get("LOG_FORMAT", "")
    return given.strip().casefold()
