# shellcheck shell=bash
# Runs a module of deploy/clickstream_deploy with a Python that is new enough. Sourced, not run.

# find_python: prints the Python to use
find_python() {
    local python
    for python in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

# run_deploy MODULE PROGRAM [OPTION ...]
run_deploy() {
    local python module=$1
    shift
    python=$(find_python) || {
        echo "$1: there is no Python 3.11 or newer on the PATH: install it, or name it: PYTHON=/path/to/python3 ./$1" >&2
        exit 1
    }
    PYTHONPATH=$ROOT/deploy:$ROOT/apps/core exec "$python" -P -m "clickstream_deploy.$module" "$@"
}
