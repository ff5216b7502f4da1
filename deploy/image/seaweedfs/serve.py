"""The container's process: SeaweedFS with S3 on 8333 and an Iceberg REST catalog on 8181, for one user.

AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the user's. TABLE_BUCKET is the table bucket, made at the first start;
weed has a variable BUCKET of its own, which makes a plain one. The data lies in /data, the user's key in /tmp.
"""

import json
import os
import sys

CONFIG = "/tmp/s3.json"
NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TABLE_BUCKET")


def main() -> None:
    """Write the users' file, and become SeaweedFS."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        sys.exit(f"{' and '.join(missing)} must be set: the user's key and secret, and the table bucket")
    key, secret, bucket = (os.environ[name] for name in NEEDED)
    user = {
        "name": "clickstream",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    with open(CONFIG, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        json.dump({"identities": [user]}, file)
    arguments = [
        *("mini", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-master.telemetry=false"),
        *(
            "-s3.port=8333",
            "-s3.port.iceberg=8181",
            "-s3.port.lance=0",
            f"-s3.config={CONFIG}",
            f"-tableBucket={bucket}",
        ),
        *("-webdav=false", "-admin.ui=false"),
    ]
    os.execvp("weed", ["weed", *arguments])


if __name__ == "__main__":
    main()
