"""`clickstream-archive COMMAND`: the batch side of the archive. Each command is a module with a `main`."""

import sys
from importlib import import_module
from typing import NoReturn

from clickstream_archive.errors import ArchiveError
from clickstream_archive.failures import failures, one_line
from clickstream_core.errors import SettingsError
from clickstream_core.logs import print_error
from clickstream_core.process import run

_COMMANDS = {
    "compact": "make typed tables of the raw records of closed hours",
    "report": "show a day: events, users, sessions, pages, the funnel, hour by hour",
    "sql": "ask anything in SQL",
    "verify": "check that nothing is missing or doubled, and that every result equals the recount",
    "serve": "serve the results of the last runs as metrics",
}


def main() -> NoReturn:
    """The entry point: exit status 0, 1 when something differs or fails, 2 for invalid settings."""
    run(_main)


def _main() -> int:
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help"):
        print(_usage())
        return 0
    if command not in _COMMANDS:
        raise SettingsError(f"{command} is no command; there are {', '.join(_COMMANDS)}")
    try:
        status: int = import_module(f"clickstream_archive.{command}").main(arguments)
    except ArchiveError as error:
        print_error(str(error), f"clickstream-archive {command}", __name__, as_json=False)
        return 1
    except BrokenPipeError:
        return 0  # its reader, such as head, has seen enough
    except failures() as error:
        print_error(one_line(error), f"clickstream-archive {command}", __name__, as_json=False)
        return 1
    return status


def _usage() -> str:
    commands = "\n".join(f"  {name:<8} {text}" for name, text in _COMMANDS.items())
    more = "clickstream-archive COMMAND --help lists a command's settings."
    return f"usage: clickstream-archive COMMAND [option ...]\n\n{commands}\n\n{more}"


if __name__ == "__main__":
    main()
