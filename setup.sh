#!/usr/bin/env bash
# Runs Clickstream: with --local the whole pipeline on this machine, dashboard in this terminal.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./setup.sh --local [option ...]

  --local   run everything on this machine: simulated users, a real Apache Kafka
            broker, the stream processor and the dashboard in this terminal.
            Ctrl+C stops it and leaves nothing running.
            It needs Python 3.11 or newer with venv, and make; the rest it
            fetches at the first start (into .venv and .local).

  ./setup.sh --local --help lists the options, such as --rate and --window-size.

Deploying to a Kubernetes cluster (./setup.sh without --local) is not there yet.
TEXT
}

prepare_python() {
    make --no-print-directory venv
}

run_local() {
    prepare_python
    exec .venv/bin/python -m clickstream_local "$@"
}

main() {
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
    case "${1-}" in
        --local)
            shift
            run_local "$@"
            ;;
        -h | --help)
            usage
            ;;
        "")
            echo "setup.sh: deploying to a cluster is not there yet; ./setup.sh --local runs everything on this machine" >&2
            exit 2
            ;;
        *)
            echo "setup.sh: unknown argument $1 (--local must come first; --help explains)" >&2
            exit 2
            ;;
    esac
}

main "$@"
