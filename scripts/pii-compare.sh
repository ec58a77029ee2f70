#!/usr/bin/env bash
# Measures the plugin pii-values beside Microsoft Presidio on one generated corpus: recall and
# precision by kind, and throughput. Writes target/pii/summary.json and target/pii/table.md.
#
#   scripts/pii-compare.sh [SENTENCES [SEED]]      default: 3000 1
set -euo pipefail

cd "$(dirname "$0")/.."
readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly OUT=$TARGET/pii
readonly PYTHON=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/presidio/bin/python

scripts/setup.sh pii
mkdir -p "$OUT"
"$PYTHON" scripts/pii-compare.py corpus "$OUT" "${1:-3000}" "${2:-1}"
cargo build -p portcullis
"$TARGET/debug/portcullis" plugin build plugins/pii-values --out "$TARGET/plugins" >/dev/null
"$TARGET/debug/portcullis" plugin run "$TARGET/plugins/pii-values.wasm" --json \
    --settings "$OUT/settings.json" --case "$OUT/case.json" --call-millis 1000 >"$OUT/ours.json"
"$PYTHON" scripts/pii-compare.py presidio "$OUT"
"$PYTHON" scripts/pii-compare.py report "$OUT"
