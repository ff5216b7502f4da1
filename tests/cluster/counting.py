"""What the scenarios' statistics have written in the cluster: to Redis, and as Parquet to a volume."""

import base64
import subprocess
from pathlib import Path

from redis import Redis

from cluster.collecting import forwarded
from cluster.installation import STATISTICS, Installation
from kit.statistics import Row, numbers, stored


def counted(installation: Installation) -> dict[str, tuple[int, int]]:
    """What the Valkey of --with-stores has, as kit.statistics.expected_numbers."""
    password = _of_secret(installation, "clickstream-valkey", "password")
    with forwarded(installation, "clickstream-valkey", 6379) as address:
        redis = Redis.from_url(address.replace("http://", "redis://"), password=password)
        with redis:
            return numbers(redis)


def stored_on_volume(installation: Installation, folder: Path) -> list[Row]:
    """All rows in the Parquet of the job's volume, copied to `folder`."""
    command = ["kubectl", "--namespace", installation.namespace, "exec", f"deployment/{STATISTICS}", "--"]
    command += ["tar", "-C", "/data/results", "--exclude=./_checkpoints", "-cf", "-", "."]
    packed = subprocess.run(command, capture_output=True, timeout=120)
    assert packed.returncode == 0, packed.stderr.decode()
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-C", str(folder), "-xf", "-"], input=packed.stdout, check=True)
    return stored(folder)


def _of_secret(installation: Installation, name: str, key: str) -> str:
    secret = installation.core.read_namespaced_secret(name, installation.namespace)
    return base64.b64decode(secret.data[key]).decode()
