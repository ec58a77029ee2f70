#!/usr/bin/env bash
# Installs what makes plugins of Python and JavaScript, from their registries at fixed versions.
#
#   scripts/languages.sh FOLDER    leaves them in FOLDER, where `portcullis plugin build` looks
set -euo pipefail

# The versions that gateway/src/policy/component/language.rs names.
readonly PYTHON_TOOL=componentize-py==0.25.1
readonly NODE_TOOL=@bytecodealliance/componentize-js@0.23.0

home=$1

# Each folder notes what it holds, so that a change above installs it anew.
holds() { [[ -e $1/holds && $(<"$1/holds") == "$2" ]]; }

if ! holds "$home/componentize-py" "$PYTHON_TOOL"; then
    echo "==> installing $PYTHON_TOOL from PyPI into $home/componentize-py"
    rm -rf "$home/componentize-py"
    # Debian's own Python comes with what makes a virtual environment; another in PATH may not.
    interpreter=python3
    [[ -x /usr/bin/python3 ]] && interpreter=/usr/bin/python3
    "$interpreter" -m venv "$home/componentize-py"
    "$home/componentize-py/bin/pip" install --quiet --disable-pip-version-check \
        --only-binary :all: "$PYTHON_TOOL"
    echo "$PYTHON_TOOL" >"$home/componentize-py/holds"
fi

if ! holds "$home/componentize-js" "$NODE_TOOL"; then
    echo "==> installing $NODE_TOOL from npm into $home/componentize-js"
    rm -rf "$home/componentize-js"
    mkdir -p "$home/componentize-js"
    npm install --prefix "$home/componentize-js" --no-audit --no-fund --no-save \
        --loglevel=error "$NODE_TOOL"
    echo "$NODE_TOOL" >"$home/componentize-js/holds"
fi
