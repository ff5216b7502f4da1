"""What the scenarios' statistics have written in the cluster: to Redis, and as Parquet to a volume or to storage."""

import base64
import subprocess
from pathlib import Path

from pyarrow import dataset
from pyarrow.fs import S3FileSystem
from redis import Redis

from cluster.collecting import forwarded
from cluster.installation import STATISTICS, Installation
from kit.statistics import Row, numbers, stored

_COLUMNS = ("partition", "offset", "scenario_id", "version", "success")


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


def stored_in_storage(installation: Installation, secret: str, path: str) -> list[Row]:
    """All rows in the Parquet in the storage of the archive, below BUCKET/PREFIX."""
    access, key = (_of_secret(installation, secret, f"AWS_{each}") for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    with forwarded(installation, "clickstream-seaweedfs", 8333) as address:
        storage = S3FileSystem(access_key=access, secret_key=key, endpoint_override=address, region="us-east-1")
        table = dataset.dataset(path, filesystem=storage, format="parquet").to_table(columns=list(_COLUMNS))
    return sorted(zip(*(table[each].to_pylist() for each in _COLUMNS), strict=True))


def _of_secret(installation: Installation, name: str, key: str) -> str:
    secret = installation.core.read_namespaced_secret(name, installation.namespace)
    return base64.b64decode(secret.data[key]).decode()
