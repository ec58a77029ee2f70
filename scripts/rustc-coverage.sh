#!/usr/bin/env bash
# Compiles a crate of the workspace with libFuzzer's coverage; cargo calls it in place of rustc.
set -euo pipefail

# The flags that cargo-fuzz sets, less the sanitizer, which needs a nightly compiler.
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ccodegen-units=1
)
# Build scripts run without libFuzzer, and cargo's questions about the compiler name no crate.
case " $* " in
*" --crate-name ___ "* | *" --crate-name build_script_build "*) exec "$@" ;;
*" --crate-name "*) exec "$@" "${coverage[@]}" ;;
*) exec "$@" ;;
esac
