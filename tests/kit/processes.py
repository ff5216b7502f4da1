"""The apps as processes, so that tests can stop, pause and kill them."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.poll import eventually

_STOP_SECONDS = 20.0


class App:
    """A running app. `http_port` is where it serves /healthz, /readyz and /metrics."""

    def __init__(self, child: Child, log: Path, http_port: int) -> None:
        self.child = child
        self.log = log
        self.http_port = http_port

    def stop(self, status: int = 0) -> None:
        """SIGTERM; it must end within 20 s with that exit status (the apps promise 10 s, the machine may be busy)."""
        self.child.send(signal.SIGTERM)
        self.expect_exit(status, _STOP_SECONDS)

    def expect_exit(self, status: int, within_seconds: float) -> None:
        """It must end by itself with that exit status (-9: killed by SIGKILL)."""
        found = self.child.wait(within_seconds)
        assert found == status, f"{self.child.name}: expected exit status {status}, found {found}; {self.describe()}"

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP) until `resume()`."""
        self.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it (SIGCONT)."""
        self.child.send(signal.SIGCONT)

    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, text: str, deadline_seconds: float = 30.0) -> str:
        """Wait until it has printed `text`; returns the output. Fails at once if the app ends without it."""

        def printed() -> bool:
            ended = not self.child.running  # asked first: what it printed before its end must count
            if text in self.output():
                return True
            if ended:
                raise RuntimeError(f"{self.child.name} ended without printing {text!r}; {self.describe()}")
            return False

        eventually(printed, deadline_seconds)
        return self.output()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of GET http://127.0.0.1:<http_port><path>; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()
        except (urllib.error.URLError, OSError) as error:
            return 0, str(error)

    def wait_until_ready(self, deadline_seconds: float = 30.0) -> None:
        """Wait until /readyz answers 200."""

        def ready() -> bool:
            if not self.child.running:
                raise RuntimeError(f"{self.child.name} ended before it was ready; {self.describe()}")
            status, body = self.get("/readyz")
            assert status == 200, f"/readyz of {self.child.name}: {status} {body}"
            return True

        eventually(ready, deadline_seconds, every=0.1)

    def describe(self) -> str:
        """Its state and the end of its log, for a message."""
        return f"{self.child.describe_end()}; the end of its log:\n{self.child.last_lines(40)}"


class Apps:
    """Starts apps, and kills those that still run after the test."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[App] = []

    def start(self, module: str, *arguments: str, environ: dict[str, str] | None = None, **settings: str) -> App:
        """Run `python -m <module> <arguments>`, e.g. "clickstream_streams.main".

        Settings are given as environment variables: `environ` (a test's topics: `topics.environ`), and single ones by
        name, e.g. WINDOW_SIZE="5s". HTTP_PORT is a free port unless given. The test's own environment is passed on
        without variables that would change an app's settings.
        """
        number = sum(app.child.name.startswith(module) for app in self._started) + 1
        chosen = {"HTTP_PORT": str(free_port()), **(environ or {}), **settings}
        log = self._logs / f"{module}-{number}.log"
        child = Child(
            f"{module}-{number}",
            [sys.executable, "-m", module, *arguments],
            log=log,
            environ={**_environment(), **chosen},
        )
        app = App(child, log, int(chosen["HTTP_PORT"]))
        self._started.append(app)
        return app

    def close(self) -> None:
        """Kill what still runs and print the ends of all logs; pytest shows them when the test failed."""
        for app in self._started:
            before = app.child.describe_end()
            app.kill()
            print(f"--- {app.child.name} ({before}), the end of {app.log}\n{app.child.last_lines(40)}")


def processes_naming(folder: Path, *, environment: bool = False) -> dict[int, str]:
    """The running processes whose command line names the folder, by process id; with `environment` that counts too.

    Read from /proc on Linux, so that the tests need no package; elsewhere from the system's `ps`.
    """
    if Path("/proc/self/cmdline").exists():
        found = {int(each.name): _described(each, environment) for each in Path("/proc").glob("[0-9]*")}
    else:
        options = "axeww" if environment else "axww"
        listed = subprocess.run(["ps", options, "-o", "pid=,command="], capture_output=True, text=True, check=True)
        lines = [line.strip().partition(" ") for line in listed.stdout.splitlines()]
        found = {int(pid): command for pid, _, command in lines if not command.startswith("ps ")}
    return {pid: command for pid, command in found.items() if str(folder) in command}


def _described(process: Path, environment: bool) -> str:
    """Command line, and environment if asked for; "" for a process that has ended or is not ours."""
    try:
        raw = (process / "cmdline").read_bytes() + ((process / "environ").read_bytes() if environment else b"")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def _environment() -> dict[str, str]:
    """The variables that a process needs, without any that an app would read as a setting; but COUNTING holds for a run
    of all tests."""
    passed_on = ("COUNTING", "HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
    kept = {name: os.environ[name] for name in passed_on if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1"}
