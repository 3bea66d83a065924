#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Trains and tests the quickstart's model, the same without side networks and the same with
ungrouped expressions, each with several seeds, and writes docs/benchmarks/refshapes.md:
mean and standard deviation of the figures, and the time of a step. Takes about 35 minutes
a seed on 2 cores; what is trained already is not trained again.

usage: bash tools/analysis_tools/refshapes_seeds.sh [SEED ...]   (0 1 2 unless given)
END
}

if [[ "${1:-}" =~ ^(--help|-h)$ ]]; then
  usage
  exit
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/setup_env.sh
. tools/setup_env.sh

seeds=("$@")
((${#seeds[@]})) || seeds=(0 1 2)
for seed in "${seeds[@]}"; do
  bash tools/quickstart.sh --seed "$seed" --compare ungrouped --compare no-side
done

tests=()
logs=()
for name in grouped ungrouped no-side; do
  for seed in "${seeds[@]}"; do
    work_dir=work_dirs/quickstart-seed$seed
    [[ $name == grouped ]] || work_dir+=-$name
    tests+=("$name=$work_dir/test")
    [[ $name == no-side ]] || logs+=("$work_dir")
  done
done
table=$(python tools/analysis_tools/results_table.py "${tests[@]}")
times=$(python tools/analysis_tools/analyze_logs.py "${logs[@]}" --keys time \
  --out work_dirs/quickstart-step-times.png)

page=docs/benchmarks/refshapes.md
trap 'rm -f "$page.part"' EXIT
cat >"$page.part" <<END
# RefShapes

Written by

    bash tools/analysis_tools/refshapes_seeds.sh ${seeds[*]}

Mean and standard deviation over ${#seeds[@]} seeds (${seeds[*]}), in percent. *grouped* is
the quickstart's \`m2ist_tiny_refshapes.py\`: a sample is an image with up to ten of its
expressions. *ungrouped* (\`m2ist_tiny_refshapes_ungrouped.py\`) trains on the same
expressions in batches of as many, each a sample of its own. *no-side*
(\`m2ist_tiny_refshapes_no-side.py\`) is *grouped* without side networks. Tests are the same.

$table

Seconds per step with grouped and with ungrouped expressions, two processes on $(nproc) CPU
cores, a seed's trainings one after the other; in both no tower runs, since the features of
all inputs are cached:

$(printf '%s\n' "$times" | grep -v '^curves' | sed 's/^/    /')
END
mv "$page.part" "$page"
echo "$page is written"
