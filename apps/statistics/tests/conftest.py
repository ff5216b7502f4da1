"""A storage in memory, for tests of what is kept in files."""

import pytest


class InMemory:
    """Files by path; `refused` paths can't be made, as when another driver was first."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def names(self, folder: str) -> list[str]:
        inside = (path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/"))
        return sorted(name for name in inside if "/" not in name)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def create(self, path: str, content: bytes) -> bool:
        return self.files.setdefault(path, content) is content

    def replace(self, path: str, content: bytes) -> None:
        self.files[path] = content

    def publish(self, staged: str, path: str) -> None:
        self.files.setdefault(path, self.files.pop(staged))

    def delete(self, path: str) -> None:
        for each in [known for known in self.files if known == path or known.startswith(f"{path}/")]:
            del self.files[each]


@pytest.fixture
def files() -> InMemory:
    return InMemory()
