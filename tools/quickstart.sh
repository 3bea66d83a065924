#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
Sets up what is missing, makes the RefShapes dataset, trains the small side-tuned model
on it, tests it, prints a table and writes images of predictions. Then the model that is
shipped answers on a photograph. Steps that are done are skipped, a stopped training goes
on where it was.

usage: bash tools/quickstart.sh [options]
  --compare NAME   train and test m2ist_tiny_refshapes_NAME.py as well: no-side is the same
                   model without its side networks, frozen without M3ISA (no side networks,
                   no input tokens), full is full fine-tuning, ungrouped has each expression
                   alone; may be given again
  --seed N         seed of the weights and of the order of the data (0)
  --data-root DIR  use a dataset in RefCOCO's format (DIR/train2014,
                   DIR/refcoco/instances.json, DIR/refcoco/refs(unc).p) instead
  --image FILE SENTENCE
                   a photograph of yours and what to find in it, for the shipped model
  --short          a little data and one epoch: shows that all works, learns nothing
  --help           print this
END
}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 2
}

compare=()
seed=
short=false
data_root=
image=m2ist_mm/web/photographs/photographer.jpg
sentences=('a man' 'his hair' 'a camera')
while (($#)); do
  case $1 in
    --compare)
      [[ "${2:-}" =~ ^(no-side|frozen|full|ungrouped)$ ]] ||
        die "--compare takes no-side, frozen, full or ungrouped, not '${2:-}'"
      compare+=("$2")
      shift
      ;;
    --seed)
      [[ "${2:-}" =~ ^[0-9]+$ ]] || die "--seed needs a number, not '${2:-}'"
      seed=$2
      shift
      ;;
    --image)
      [[ -f "${2:-}" ]] || die "--image needs an image file, not '${2:-}'"
      [[ -n "${3:-}" && "${3:-}" != --* ]] || die '--image FILE SENTENCE: what to find?'
      image=$(realpath "$2")
      sentences=("$3")
      shift 2
      ;;
    --short) short=true ;;
    --data-root)
      [[ -d "${2:-}" ]] || die "--data-root needs a folder, not '${2:-}'"
      data_root=$(cd "$2" && pwd)
      shift
      ;;
    --help | -h)
      usage
      exit
      ;;
    *) die "unknown option $1; --help lists them" ;;
  esac
  shift
done
if ((${#compare[@]})) && [[ -n "$data_root" ]]; then
  die '--compare is for RefShapes, it cannot be used with --data-root'
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/setup_env.sh
. tools/setup_env.sh

say() { printf '\n[quickstart] %s\n' "$*"; }

# With a core less than threads, threads that wait actively take each other's time.
export OMP_WAIT_POLICY=PASSIVE
precision=()
if nvidia-smi >/dev/null 2>&1 || grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo; then
  precision=(--amp) # bfloat16 is fast here
fi

suffix=
train=(python tools/train.py)
processes=1
options=("randomness.seed=${seed:-0}")
make_options=()
image_interval=50
if $short; then
  suffix=-short
  options+=(train_cfg.max_epochs=1 train_cfg.val_interval=1 default_hooks.logger.interval=10)
  make_options=(--train-images 48 --val-images 16 --test-images 16)
  image_interval=10
fi

# train_and_test CONFIG WORK_DIR: leaves results.json, test/ and images/ in WORK_DIR.
train_and_test() {
  local config=$1 work_dir=$2 batch_size=8 checkpoint
  # of all processes together; samples of one expression, or of up to ten
  [[ $config != *_ungrouped.py ]] || batch_size=76
  mkdir -p "$work_dir"
  [[ -f "$work_dir/data_root" ]] || echo "$data_root" >"$work_dir/data_root"
  [[ "$(<"$work_dir/data_root")" == "$data_root" ]] ||
    die "$work_dir is of other data, $(<"$work_dir/data_root"): move it away"
  if [[ -f "$work_dir/trained" ]]; then
    say "$work_dir is trained already (remove it to train anew)"
  else
    say "Training $config, log and checkpoints in $work_dir"
    "${train[@]}" "$config" --data-root "$data_root" --work-dir "$work_dir" \
      --resume "${precision[@]}" --cfg-options "${options[@]}" \
      train_dataloader.batch_size=$((batch_size / processes))
    python tools/analysis_tools/analyze_logs.py "$work_dir" --out "$work_dir/curves.png"
    touch "$work_dir/trained"
  fi
  if [[ "$work_dir/results.json" -nt "$work_dir/trained" ]]; then
    say "$work_dir is tested already"
    return
  fi
  checkpoint=$(<"$work_dir/last_checkpoint")
  say "Testing $checkpoint on val, testA and testB"
  python tools/test.py "$config" "$checkpoint" --data-root "$data_root" \
    --work-dir "$work_dir/test" --out "$work_dir/results.json" \
    --show-dir "$work_dir/images" \
    --cfg-options default_hooks.visualization.interval=$image_interval
}

if [[ -n "$data_root" ]]; then
  config=configs/m2ist/m2ist_tiny_refcoco-mini.py
  work_dir=work_dirs/quickstart-$(basename "$data_root")$suffix
else
  config=configs/m2ist/m2ist_tiny_refshapes.py
  data_root=data/refshapes$suffix
  work_dir=work_dirs/quickstart$suffix
  say "Making RefShapes in $data_root"
  python tools/dataset_converters/make_refshapes.py "$data_root" "${make_options[@]}"
  if ! nvidia-smi >/dev/null 2>&1; then
    # one process would leave half of two cores idle
    export OMP_NUM_THREADS=$((($(nproc) + 1) / 2))
    processes=2
    train=(python -m torch.distributed.run --standalone --nproc_per_node="$processes"
      tools/train.py --launcher pytorch)
  fi
  if $short; then
    options+=(train_dataloader.dataset.indices=None)
  else
    say 'Training takes about 10 minutes on 2 cores'
  fi
fi
work_dir+=${seed:+-seed$seed}
train_and_test "$config" "$work_dir"
tests=("side-tuned=$work_dir/test")
for name in "${compare[@]}"; do
  train_and_test "${config%.py}_$name.py" "$work_dir-$name"
  tests+=("$name=$work_dir-$name/test")
done

say 'Results: precision in percent (P@0.5: IoU of at least 0.5) and mean IoU'
python tools/analysis_tools/results_table.py "${tests[@]}" | tee "$work_dir/table.md"

say "The model in weights/, trained on real images, asked on $image"
python tools/image_demo.py "$image" "${sentences[@]}" --out-dir "$work_dir/photograph"

say "Where everything is:
  data         $data_root
  images       $work_dir/images (predictions and true boxes)
  photograph   $work_dir/photograph/vis (answers of the model in weights/)
  table        $work_dir/table.md
  curves       $work_dir/curves.png (losses and precision during training)
  expressions  $work_dir/results.json (box, IoU and text of each)
  weights      $(<"$work_dir/last_checkpoint")"
