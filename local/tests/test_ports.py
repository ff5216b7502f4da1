import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clickstream_local.errors import LocalError
from clickstream_local.ports import describe_holder, free_port, holder_of, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_a_port_with_a_listener_on_ipv6_is_not_free() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_that_another_server_has_under_localhosts_other_address_is_not_free() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_is_free_again_right_after_its_connections_were_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first is the one that waits in TIME_WAIT
        client.close()

    assert is_free(port)


def test_the_holder_of_a_port_is_this_process(taken: int) -> None:
    assert describe_holder(taken).startswith(f"pid {os.getpid()}: ")
    assert holder_of(taken) == describe_holder(taken)


def test_a_free_port_has_no_holder() -> None:
    assert holder_of(free_port()) is None


def test_consecutive_ports_are_all_free_and_below_those_of_outgoing_connections() -> None:
    first = free_port(3)

    assert all(is_free(port) for port in range(first, first + 3))
    assert first + 2 < 32768


def test_no_port_is_returned_again_before_its_server_can_listen() -> None:
    first = free_port(3)

    with pytest.raises(LocalError, match=f"found no 1 consecutive free ports between {first} and {first + 3}"):
        free_port(among=range(first, first + 3))


def test_a_long_command_line_is_shortened() -> None:
    listen = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
    command = [sys.executable, "-c", f"{listen} time.sleep(60)", "x" * 500]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        held_by = describe_holder(int(other.stdout.readline()))
        other.kill()

    start = " ".join(command)[:99]
    assert held_by == f"pid {other.pid}: {start}…"
