#!/usr/bin/env bash
# Builds the apps' images (deploy/clickstream_deploy/images.py). Needs nothing but Python and a builder.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=deploy/python.sh
. "$ROOT/deploy/python.sh"
run_deploy images deploy/images.sh "$@"
