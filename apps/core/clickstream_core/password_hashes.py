"""Hashes of passwords by scrypt (RFC 7914): `scrypt$N$R$P$SALT$HASH`, salt and hash in base64."""

import base64
import hashlib
import hmac
import re
import secrets

_N, _R, _P = 2**15, 8, 1
_MEMORY_BYTES = 64 << 20
_SALT_BYTES = 16
_HASH = re.compile(r"scrypt\$([0-9]+)\$([0-9]+)\$([0-9]+)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_LARGEST_N = 2**20


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return the hash of a password, by default with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    hashed = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(hashed).decode()}"


def is_hash(text: str) -> bool:
    """Whether this is a hash that can be compared in a reasonable time."""
    found = _HASH.fullmatch(text)
    return found is not None and int(found[1]) <= _LARGEST_N


def is_password(password: str, hashed: str) -> bool:
    """Whether this is the hash of the password."""
    found = _HASH.fullmatch(hashed)
    if found is None:
        return False
    n, r, p = (int(each) for each in found.groups()[:3])
    salt, expected = (base64.b64decode(each) for each in found.groups()[3:])
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected)


NOBODY = f"scrypt${_N}${_R}${_P}${base64.b64encode(bytes(_SALT_BYTES)).decode()}${base64.b64encode(bytes(32)).decode()}"
"""What a wrong name is compared with, so that it takes as long as a wrong password."""


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_BYTES, dklen=32)
