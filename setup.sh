#!/usr/bin/env bash
# Runs Clickstream: on the Kubernetes cluster of the current context (deploy/clickstream_deploy), or with --local on this
# machine (local/clickstream_local).
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

if [ "${1-}" = --local ]; then
    shift
    cd -- "$ROOT"
    extras=()
    for option in "$@"; do
        case $option in
        --archive) extras+=(archive) ;;
        --scenarios) extras+=(scenarios statistics) ;;
        esac
    done
    for extra in ${extras[@]+"${extras[@]}"}; do
        case $extra in
        archive) size="190 MB" ;;
        scenarios) size="20 MB" ;;
        statistics) size="450 MB, Apache Spark" ;;
        esac
        [ -e ".venv/.installed-$extra" ] || echo "Fetching the Python packages of the app $extra, once: $size"
    done
    make --no-print-directory --silent venv ${extras[@]+"${extras[@]/#/venv-}"}
    exec .venv/bin/python -m clickstream_local "$@"
fi

# shellcheck source=deploy/python.sh
. "$ROOT/deploy/python.sh"
run_deploy main setup.sh "$@"
