"""How a command says that it failed."""

from clickstream_core.logs import print_error


def failed(command: str, error: Exception) -> int:
    """Print the error in one line; return the exit status."""
    print_error(str(error), f"clickstream-scenarios {command}", __name__, as_json=False)
    return 1
