#!/usr/bin/env bash
# Runs Clickstream: on the Kubernetes cluster of the current context (deploy/clickstream_deploy), or with --local on this
# machine (local/clickstream_local).
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

if [ "${1-}" = --local ]; then
    shift
    cd -- "$ROOT"
    installed=(venv)
    for option in "$@"; do
        case $option in
        --archive) installed+=(venv-archive) ;;
        --scenarios) installed+=(venv-scenarios) ;;
        esac
    done
    for each in "${installed[@]}"; do
        case $each in
        venv-archive) fetched="archive's Python packages, once: 190 MB" ;;
        venv-scenarios) fetched="scenarios' Python packages, once: 20 MB" ;;
        *) continue ;;
        esac
        [ -e ".venv/.installed-${each#venv-}" ] || echo "Fetching the $fetched"
    done
    make --no-print-directory --silent "${installed[@]}"
    exec .venv/bin/python -m clickstream_local "$@"
fi

# shellcheck source=deploy/python.sh
. "$ROOT/deploy/python.sh"
run_deploy main setup.sh "$@"
