"""The command line of setup.sh and cleanup.sh: `python -m clickstream_deploy.main setup.sh OPTION...`.

Options are parsed, and --help is answered, with nothing but Python's standard library.
"""

import signal
import sys
from typing import Any

from clickstream_deploy import environment
from clickstream_deploy.errors import EndedError
from clickstream_deploy.options import parse
from clickstream_deploy.usage import USAGE


def heed_interrupts() -> None:
    """End after the first Ctrl+C, SIGTERM or closed terminal, and don't let a second one disturb that."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)

    def interrupt(*_: Any) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)


def main() -> int:
    """Return the exit status."""
    name, *arguments = sys.argv[1:]
    try:
        options = parse(name, arguments)
        if options is None:
            print(USAGE[name], end="")
            return 0
        if not environment.is_current():
            environment.enter("clickstream_deploy.main", sys.argv[1:])
    except EndedError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130

    from clickstream_deploy.cleanup import CLEANUP
    from clickstream_deploy.program import World, run
    from clickstream_deploy.setup import setup

    heed_interrupts()
    return run(setup(options) if name == "setup.sh" else CLEANUP, options, World())


if __name__ == "__main__":
    sys.exit(main())
