#!/bin/sh
# Makes .venv/, the one environment of this checkout: every distribution editable, and the tools.
# PYTHON=/path/to/python3 chooses the interpreter.
set -eu
cd "$(dirname "$0")/../.."

is_suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_suitable "$candidate"; then echo "$candidate"; return; fi
    done
    echo "error: Python 3.11 or newer is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true)." >&2
    echo "Install one, or say where it is: make PYTHON=/path/to/python3" >&2
    return 1
}

if ! is_suitable .venv/bin/python; then
    python=$(find_python)
    echo "making .venv/ with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

set -- -e . -e contracts -e libs/core -e libs/decide -e libs/agent -e libs/operations -e libs/cli -e orchestrator -e infra/local -e infra/local/registry -e infra/kafka -e infra/compose -e infra/release
for project in services/*/pyproject.toml; do
    set -- "$@" -e "$(dirname "$project")"
done

pip() { .venv/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt "$@"; }

echo "installing into .venv/"
# The build tools first, so that a dozen builds share them instead of fetching them a dozen times.
pip hatchling editables
pip --no-build-isolation "$@"
