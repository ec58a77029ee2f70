#!/usr/bin/env bash
# Installs the drivers that applications use, what the verifier in Python needs, and PostgreSQL's
# grammar for Python, which judges our reading of it, from their registries and at fixed versions.
#
#   scripts/drivers.sh FOLDER    leaves them in FOLDER
set -euo pipefail

readonly PYTHON_PACKAGES=(asyncpg==0.32.0 'psycopg[binary]==3.3.9')
readonly VERIFIER_PACKAGES=(cryptography==50.0.2)
# PostgreSQL 18's grammar, as ours.
readonly GRAMMAR_PACKAGES=(pglast==8.8)
readonly NODE_PACKAGES=(pg@8.23.1 pg-copy-streams@7.0.0 pg-cursor@2.22.0)

home=$1

# Each folder notes what it holds, so that a change above installs it anew.
holds() { [[ -e $1/holds && $(<"$1/holds") == "${*:2}" ]]; }

venv() { # FOLDER PACKAGE...
    local folder=$1
    shift
    if holds "$folder" "$@"; then
        return
    fi
    echo "==> installing $* from PyPI into $folder"
    rm -rf "$folder"
    # Debian's own Python comes with what makes a virtual environment; another in PATH may not.
    local interpreter=python3
    [[ -x /usr/bin/python3 ]] && interpreter=/usr/bin/python3
    "$interpreter" -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$@"
    echo "$*" >"$folder/holds"
}

venv "$home/python" "${PYTHON_PACKAGES[@]}"
venv "$home/verifier" "${VERIFIER_PACKAGES[@]}"
venv "$home/grammar" "${GRAMMAR_PACKAGES[@]}"

if ! holds "$home/node" "${NODE_PACKAGES[@]}"; then
    echo "==> installing ${NODE_PACKAGES[*]} from npm into $home/node"
    rm -rf "$home/node"
    mkdir -p "$home/node"
    npm install --prefix "$home/node" --no-audit --no-fund --no-save --loglevel=error \
        "${NODE_PACKAGES[@]}"
    echo "${NODE_PACKAGES[*]}" >"$home/node/holds"
fi

# sqlx is a library: the program that uses it is built here, apart from the product's own crates.
CARGO_TARGET_DIR=$home/sqlx cargo build --quiet --locked \
    --manifest-path "$(dirname "$0")/../tests/drivers/sqlx/Cargo.toml"
