#!/usr/bin/env bash
# Fetches PostgreSQL's own test suites and builds what they need, for the server that is installed:
# the SQL, the headers and the server must be of one version, or the suites fail for no reason.
# Nothing is installed: Debian's source and header packages are unpacked into the cache folder.
#
#   scripts/suites.sh FOLDER     leaves them in FOLDER/VERSION
set -euo pipefail

cache=$1
readonly MAJOR=15
package=postgresql-$MAJOR
version=$(dpkg-query --show --showformat='${Version}' "$package" 2>/dev/null || true)
if [[ -z $version ]]; then
    echo "suites: Debian's package $package is missing; the suites are for its version" >&2
    exit 1
fi
home=$cache/$version
[[ -e $home/complete ]] && exit 0

echo "==> fetching PostgreSQL's own test suites ($version) into $home"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=scripts/debian-archive.sh
source "$(dirname "$0")/debian-archive.sh"
archive "$work"
fetch() {
    archive_get update &&
        archive_get source --download-only "$package=$version" &&
        archive_get download "postgresql-server-dev-$MAJOR=$version"
}
if ! (cd "$work" && fetch) >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    echo "suites: no source or no headers of $package $version to be had (see above)" >&2
    exit 1
fi

upstream=${version%-*}
top=postgresql-$upstream
tar --extract --file "$work/postgresql-${MAJOR}_$upstream.orig.tar.bz2" --directory "$work" \
    "$top/src/test/regress" "$top/src/test/isolation" "$top/src/test/modules/libpq_pipeline" \
    "$top/src/include" "$top/src/interfaces/libpq"
dpkg-deb --extract "$work/postgresql-server-dev-${MAJOR}_${version}"_*.deb "$work/dev"
source=$work/$top/src
server=$work/dev/usr/include/postgresql/$MAJOR/server
static=$work/dev/usr/lib/postgresql/$MAJOR/lib

out=$work/out
mkdir -p "$out/regress/lib" "$out/isolation" "$out/libpq_pipeline"
(cd "$source/test/regress" && cp -r sql expected data parallel_schedule "$out/regress/")
(cd "$source/test/isolation" && cp -r specs expected isolation_schedule "$out/isolation/")
cp -r "$source/test/modules/libpq_pipeline/traces" "$out/libpq_pipeline/"
cc -O1 -fPIC -shared -w -I"$server" -I"$source/test/regress" -I"$source/include" \
    "$source/test/regress/regress.c" -o "$out/regress/lib/regress.so"
cp /usr/lib/postgresql/$MAJOR/lib/{autoinc,refint}.so "$out/regress/lib/"
cc -O1 -w -DFRONTEND -I"$server" -I"$source/interfaces/libpq" \
    "$source/test/modules/libpq_pipeline/libpq_pipeline.c" \
    -L"$static" -l:libpq.so.5 -lpgcommon -lpgport -o "$out/libpq_pipeline/libpq_pipeline"

touch "$out/complete"
mkdir -p "$cache"
rm -rf "$home"
mv "$out" "$home"
