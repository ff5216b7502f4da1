"""How setup.sh and cleanup.sh end when something is wrong."""


class EndedError(Exception):
    """Ends the program with one line that says what is wrong and what to do, after an explanation if there is one."""

    def __init__(self, message: str, *, explanation: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.explanation = explanation
        self.status = status


def refused(message: str) -> EndedError:
    """Return the error for a wrong option: nothing has been touched."""
    return EndedError(message, status=2)


class ApiError(Exception):
    """The Kubernetes API refused a request, or did not answer (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
