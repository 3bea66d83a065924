#!/usr/bin/env bash
# Measures memory and time of the configs and writes docs/benchmarks/efficiency.md with
# its charts: tools/analysis_tools/benchmark.sh [options of efficiency_report.py]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# name, expressions per image, config. Times are compared with the first; the page holds
# the runs named full, default, grouped and lowmem against the targets.
runs=(
  'full           1  configs/full_finetune/transvg_r50_refcoco.py'
  'default        1  configs/m2ist/m2ist_r50_refcoco.py'
  'grouped        8  configs/m2ist/m2ist_r50_grouped-cached_refcoco.py'
  'grouped-of-3   3  configs/m2ist/m2ist_r50_grouped-cached_refcoco.py'
  'lowmem         8  configs/m2ist/m2ist_r50_lowmem_refcoco.py'
  'vitb           1  configs/m2ist/m2ist_vitb_refcoco.py'
  'vitb-lowmem    8  configs/m2ist/m2ist_vitb_lowmem_refcoco.py'
)
out=docs/benchmarks

if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  echo "usage: $0 [options of tools/analysis_tools/efficiency_report.py]"
  echo "Measures memory and time of the configs; writes $out/efficiency.md."
  exit
fi
# shellcheck source=tools/setup_env.sh
. tools/setup_env.sh

configs=()
expressions=()
for run in "${runs[@]}"; do
  read -r name number config <<<"$run"
  configs+=("$name=$config")
  expressions+=("$number")
done
python tools/analysis_tools/efficiency_report.py "${configs[@]}" \
  --expressions-per-image "${expressions[@]}" --with-reference --json "$out/efficiency.json" "$@"
python tools/analysis_tools/benchmark/page.py "$out/efficiency.json" --out "$out" \
  --command "bash tools/analysis_tools/benchmark.sh${*:+ $*}"
