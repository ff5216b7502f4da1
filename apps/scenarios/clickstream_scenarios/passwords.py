"""The users of the admin page: a file with one `name:hash` a line, of the passwords' scrypt hashes."""

import re
from collections.abc import Mapping
from pathlib import Path

from clickstream_core.password_hashes import is_hash

MIN_LENGTH = 12
_NAME = re.compile(r"[^\s:]{1,100}")


class BadUsersFile(ValueError):
    """A line of the file is no user; the message names its number and says what is allowed."""


def read_users(file: Path) -> Mapping[str, str]:
    """Return the users with their hashes; empty lines and those that begin with # are none. Raises BadUsersFile."""
    users: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if _NAME.fullmatch(name) is None or not is_hash(hashed):
            raise BadUsersFile(
                f"line {number} is no name:hash, which clickstream-scenarios-admin --hash-password prints"
            )
        users[name] = hashed
    return users
