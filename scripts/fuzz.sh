#!/usr/bin/env bash
# Coverage-guided fuzzing with libFuzzer on the stable compiler: scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

secs=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
if (($#)); then
    targets=("$@")
else
    mapfile -t targets < <(sed -n 's/^ *name: "\([a-z_]*\)",$/\1/p' gateway/fuzz/src/targets/*.rs)
fi

target_dir=${CARGO_TARGET_DIR:-target}

# Only the workspace is instrumented: dependencies are those of every other build, so nothing is
# compiled twice.
echo "==> building the targets with coverage"
CARGO_PROFILE_DEV_OPT_LEVEL=2 RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/rustc-coverage.sh \
    cargo build --quiet -p portcullis-fuzz --features libfuzzer --bin libfuzzer

for name in "${targets[@]}"; do
    corpus=$target_dir/fuzz/corpus/$name
    crashes=$target_dir/fuzz/crashes/$name/
    mkdir -p "$corpus" "$crashes"
    echo "==> $name: $secs s; corpus in $corpus, failing inputs in $crashes"
    FUZZ_TARGET=$name FUZZ_SEEDS=$corpus "$target_dir/debug/libfuzzer" \
        -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -artifact_prefix="$crashes" -print_final_stats=1 -verbosity=0 "$corpus"
done
