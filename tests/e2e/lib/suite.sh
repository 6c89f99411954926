# Sourced by every suite's `run`: where things are, and packages installed once into the folder that names them.
set -euo pipefail

suite="$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)"
lib="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
HUB_BIN="$(realpath "${HUB_BIN:?the path of the hub binary; cargo xtask test sets it}")"
export HUB_BIN
cd "$suite"
: "${HUB_TEST_POSTGRES_URL:?a PostgreSQL user that may create databases; cargo xtask test sets it}"
: "${HUB_TEST_REDIS_URL:?a Redis server; cargo xtask test sets it}"
export PYTHONPATH="$lib/python" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# python_packages FOLDER: FOLDER/.venv holds what FOLDER/requirements.txt names.
python_packages() {
    if ! cmp -s "$1/requirements.txt" "$1/.venv/installed.txt"; then
        rm -rf "$1/.venv"
        python3 -m venv "$1/.venv"
        "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$1/requirements.txt"
        cp "$1/requirements.txt" "$1/.venv/installed.txt"
    fi
}

# npm_packages FOLDER: FOLDER/node_modules holds what FOLDER/package-lock.json names.
npm_packages() {
    if ! cmp -s "$1/package-lock.json" "$1/node_modules/installed.json"; then
        (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
        cp "$1/package-lock.json" "$1/node_modules/installed.json"
    fi
}
