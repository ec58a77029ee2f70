# shellcheck shell=bash
# For other scripts to source: Debian's archive with lists of our own, so that the machine's own
# lists, and what apt would upgrade by them, stay as they are. Nothing is installed.
#
#   archive FOLDER [SUITE]   keeps lists and downloads in FOLDER; SUITE is bookworm
#   archive_get ARGS...      apt-get on those

archive() {
    local work=$1 suite=${2:-bookworm} mirror=http://deb.debian.org
    # The newest version of a security fix is in the second suite.
    cat >"$work/sources.list" <<LIST
deb $mirror/debian $suite main
deb-src $mirror/debian $suite main
deb $mirror/debian-security $suite-security main
LIST
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    archive_options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
}

archive_get() { apt-get "${archive_options[@]}" "$@"; }
