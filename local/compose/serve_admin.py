"""The container's process: the scenarios' admin page, with one user, ADMIN_USER with ADMIN_PASSWORD.

On a cluster the file of users is a Secret; here it is written into the container's memory, ADMIN_USERS_FILE.
"""

import os
import sys
from pathlib import Path

from clickstream_core.password_hashes import hash_password
from clickstream_scenarios.passwords import MIN_LENGTH


def main() -> None:
    """Write the users' file, and become the app."""
    user, password = (os.environ.get(name, "") for name in ("ADMIN_USER", "ADMIN_PASSWORD"))
    if not user or len(password) < MIN_LENGTH:
        sys.exit(f"ADMIN_USER and ADMIN_PASSWORD ({MIN_LENGTH} characters at least) must be set: cp .env.example .env")
    Path(os.environ["ADMIN_USERS_FILE"]).write_text(f"{user}:{hash_password(password)}\n", encoding="utf-8")
    del os.environ["ADMIN_USER"], os.environ["ADMIN_PASSWORD"]
    os.execvp("clickstream-scenarios-admin", ["clickstream-scenarios-admin"])


if __name__ == "__main__":
    main()
