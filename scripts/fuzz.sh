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
host=$(rustc -vV | sed -n 's/^host: //p')

# The flags that cargo-fuzz sets, less the sanitizer, which needs a nightly compiler. They hold
# for the host's own triple given as target, so build scripts stay as they are.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
echo "==> building the targets with coverage"
CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo build --quiet -p portcullis-fuzz --features libfuzzer \
    --bin libfuzzer --target "$host" --target-dir "$target_dir/fuzz"

for name in "${targets[@]}"; do
    corpus=$target_dir/fuzz/corpus/$name
    crashes=$target_dir/fuzz/crashes/$name/
    mkdir -p "$corpus" "$crashes"
    echo "==> $name: $secs s; corpus in $corpus, failing inputs in $crashes"
    FUZZ_TARGET=$name FUZZ_SEEDS=$corpus "$target_dir/fuzz/$host/debug/libfuzzer" \
        -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -artifact_prefix="$crashes" -print_final_stats=1 -verbosity=0 "$corpus"
done
