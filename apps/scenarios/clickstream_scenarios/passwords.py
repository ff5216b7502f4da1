"""Passwords of the admin page: kept as scrypt hashes in a file, one `name:hash` a line (RFC 7914)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

MIN_LENGTH = 12
_N, _R, _P = 2**15, 8, 1
_MEMORY_BYTES = 64 << 20
_SALT_BYTES = 16
_HASH = re.compile(r"scrypt\$([0-9]+)\$([0-9]+)\$([0-9]+)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_NAME = re.compile(r"[^\s:]{1,100}")
_LARGEST_N = 2**20


class BadUsersFile(ValueError):
    """A line of the file is no user; the message names its number and says what is allowed."""


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return the hash of a password, as the file has it."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    hashed = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(hashed).decode()}"


def is_password(password: str, hashed: str) -> bool:
    """Whether this is the hash of the password."""
    found = _HASH.fullmatch(hashed)
    if found is None:
        return False
    n, r, p = (int(each) for each in found.groups()[:3])
    salt, expected = (base64.b64decode(each) for each in found.groups()[3:])
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected)


def read_users(file: Path) -> Mapping[str, str]:
    """Return the users with their hashes; empty lines and those that begin with # are none. Raises BadUsersFile."""
    users: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        found = _HASH.fullmatch(hashed)
        if _NAME.fullmatch(name) is None or found is None or int(found[1]) > _LARGEST_N:
            raise BadUsersFile(
                f"line {number} is no name:hash, which clickstream-scenarios-admin --hash-password prints"
            )
        users[name] = hashed
    return users


NOBODY = f"scrypt${_N}${_R}${_P}${base64.b64encode(bytes(_SALT_BYTES)).decode()}${base64.b64encode(bytes(32)).decode()}"
"""What a wrong name is compared with, so that it takes as long as a wrong password."""


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_BYTES, dklen=32)
