#!/usr/bin/env bash
# Removes what setup.sh made on the Kubernetes cluster of the current context (deploy/clickstream_deploy); data only when
# asked.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# shellcheck source=deploy/python.sh
. "$ROOT/deploy/python.sh"
run_deploy main cleanup.sh "$@"
