"""`python -m kit.wrong_clock MODULE`: an app on a machine whose wall clock is CLOCK_AHEAD_S seconds ahead.

The monotonic clock is unaffected, as when a time service has set a wrong time.
"""

import os
import runpy
import sys
import time


def main() -> None:
    """Run the module as a program."""
    ahead = float(os.environ["CLOCK_AHEAD_S"])
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + ahead
    time.time_ns = lambda: nanoseconds() + int(ahead * 1e9)
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
