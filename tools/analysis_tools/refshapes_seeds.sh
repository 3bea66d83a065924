#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Trains and tests the quickstart's model, the same without side networks, with frozen towers
alone and fully fine-tuned with several seeds, the same with ungrouped expressions with the
first of them, and writes docs/benchmarks/refshapes.md, mean and standard deviation of the
figures. Takes about 30 minutes a seed on 2 cores for the first three, and more for the others;
what is trained already is not trained again.

usage: bash tools/analysis_tools/refshapes_seeds.sh [--page] [SEED ...]
  SEED     0 1 2 unless given
  --page   train nothing, and write the page from what is trained
END
}

if [[ "${1:-}" =~ ^(--help|-h)$ ]]; then
  usage
  exit
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/setup_env.sh
. tools/setup_env.sh

page_only=false
[[ "${1:-}" != --page ]] || { page_only=true && shift; }
seeds=("$@")
((${#seeds[@]})) || seeds=(0 1 2)
if ! $page_only; then
  for seed in "${seeds[@]}"; do
    bash tools/quickstart.sh --seed "$seed" --compare no-side --compare frozen --compare full
  done
  bash tools/quickstart.sh --seed "${seeds[0]}" --compare ungrouped
fi

tests=()
results=()
add() { # NAME SUFFIX SEED...
  local name=$1 suffix=$2 seed work_dir
  for seed in "${@:3}"; do
    work_dir=work_dirs/quickstart-seed$seed$suffix
    if [[ -f "$work_dir/results.json" ]]; then # written last
      tests+=("$name=$work_dir/test")
      results+=("$name=$work_dir/results.json")
    fi
  done
}
add side-tuned '' "${seeds[@]}"
add no-side -no-side "${seeds[@]}"
add frozen -frozen "${seeds[@]}"
add full -full "${seeds[@]}"
difference=$(python tools/analysis_tools/results_difference.py "${results[@]}")
add ungrouped -ungrouped "${seeds[0]}"
table=$(python tools/analysis_tools/results_table.py "${tests[@]}")

page=docs/benchmarks/refshapes.md
trap 'rm -f "$page.part"' EXIT
cat >"$page.part" <<END
# RefShapes

Written by

    bash tools/analysis_tools/refshapes_seeds.sh ${seeds[*]}

In percent, mean and standard deviation over seeds; a row without deviation is of one seed, and
one that is missing was not run. *side-tuned* is the quickstart's \`m2ist_tiny_refshapes.py\`: a
sample is an image with up to ten of its expressions. *no-side*
(\`m2ist_tiny_refshapes_no-side.py\`) is the same without side networks, *frozen*
(\`m2ist_tiny_refshapes_frozen.py\`) without M³ISA, and so without its input tokens too, and
*full* (\`m2ist_tiny_refshapes_full.py\`) is *frozen* with all weights of the towers trained,
at a tenth of the head's learning rate. *ungrouped*
(\`m2ist_tiny_refshapes_ungrouped.py\`) trains *side-tuned* on the same expressions in batches of
as many, each a sample of its own. Tests are the same.

$table

$difference

The intervals are of the images, for these trainings; how much seeds differ is in the first
table.
END
mv "$page.part" "$page"
echo "$page is written"
