#!/usr/bin/env bash
# Sets up what is missing to run m2ist_mm; a repetition takes about a second.
#
#   bash tools/setup_env.sh    sets up
#   . tools/setup_env.sh       sets up and puts the environment first in PATH
#
# Run on Debian 12 with Python 3.11; with 3.10 and 3.13 once, where mmcv had been compiled
# before, and the fast tests. From 3.13 on mmengine, mmcv and mmdet are the OneDL forks.
#
# The active virtual environment is used if it has everything; otherwise .venv in the
# repository is made or completed. Environment variables:
#   PYTHON      interpreter that makes .venv (default: python3)
#   MAX_JOBS    processes that compile mmcv (default: by cores and free memory)
#   FORCE_CUDA  1: compile mmcv's CUDA operators too, which m2ist_mm does not use
#               (needs nvcc of torch's CUDA version and takes much longer)

if [[ "${BASH_SOURCE[0]}" != "$0" ]]; then
  # Sourced: the work is done by a child, so that no option, function or exit of this
  # script reaches the shell of the caller.
  bash "${BASH_SOURCE[0]}" || return 1
  VIRTUAL_ENV=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
  [[ -f "$VIRTUAL_ENV/.m2ist_mm-setup" ]] ||
    VIRTUAL_ENV="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv"
  export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"
  unset PYTHONHOME
  return 0
fi

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
own="$PWD/.venv"
py="$own/bin/python"
log="$own/setup.log"
active="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}"
mark=.m2ist_mm-setup # in an environment: the set-up that it passed
fingerprint=$(cat requirements/*.txt setup.py tools/setup_env.sh \
  tools/misc/check_env.py m2ist_mm/__init__.py | sha256sum | cut -d ' ' -f 1)
pins=(-c requirements/tested.txt -c requirements/mminstall.txt -c requirements/build.txt)

say() { printf '[set-up] %s\n' "$*"; }

die() {
  printf '[set-up] ERROR: %s\n' "$*" >&2
  exit 1
}

pinned() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" requirements/build.txt requirements/mminstall.txt; }

# is_ready ENV: the set-up was passed before and nothing was removed since.
is_ready() {
  [[ "$(cat "$1/$mark" 2>/dev/null)" == "$fingerprint" ]] &&
    "$1/bin/python" tools/misc/check_env.py --quick >/dev/null 2>&1
}

# step TEXT COMMAND...: runs it with its output in the log and a sign of life every 30
# seconds (with the compiler's count, where there is one); shows the log if it fails.
step() {
  local text=$1 begin=$SECONDS beat status=0
  shift
  say "$text"
  : >"$log"
  (
    while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
      count=$(grep -ao '^ *\[[0-9]*/[0-9]*\]' "$log" | tail -n 1 | tr -d ' []' || true)
      say "  $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s${count:+, $count files compiled}"
    done
  ) &
  beat=$!
  "$@" >>"$log" 2>&1 || status=$?
  kill "$beat" 2>/dev/null || true
  wait "$beat" 2>/dev/null || true
  if ((status)); then
    grep -avE '^(Looking in|Requirement already|WARNING: Location)' "$log" |
      tail -n 20 | cut -c 1-200 >&2
    die "failed: $text The last lines are above, all of them in $log." \
      'Remove the cause and run the same command again: what is done stays done.'
  fi
}

# version_of NAME: the installed version, nothing if there is none.
version_of() {
  "$py" -c 'import sys; from importlib.metadata import version; print(version(sys.argv[1]))' \
    "$1" 2>/dev/null || true
}

pip_install() { "$py" -m pip install --progress-bar off "$@"; }

use_active() {
  local lacking
  is_ready "$active" && return
  if ! lacking=$("$active/bin/python" tools/misc/check_env.py 2>/dev/null); then
    [[ "$lacking" == m2ist_mm ]] || {
      say "$active is not used, it lacks: ${lacking//$'\n'/, }"
      rm -f "$active/$mark"
      return 1
    }
    say "m2ist_mm is added to $active"
    "$active/bin/python" -m pip install -q --no-build-isolation --no-deps -e . || return 1
    "$active/bin/python" tools/misc/check_env.py || return 1
  fi
  echo "$fingerprint" >"$active/$mark"
}

need_system_packages() {
  local python=$1 version packages=()
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=("python$version-venv")
  "$python" -c 'import os, sysconfig as s
os.stat(os.path.join(s.get_path("include"), "Python.h"))' 2>/dev/null ||
    packages+=("python$version-dev")
  command -v c++ >/dev/null || packages+=(g++)
  echo "${packages[*]}"
}

make_venv() {
  local python=${PYTHON:-python3} packages
  command -v "$python" >/dev/null ||
    die "no interpreter $python. Install Python >= 3.10 or set PYTHON to one."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$python is $("$python" --version 2>&1), 3.10 or newer is needed." \
      'Set PYTHON to a newer interpreter.'
  packages=$(need_system_packages "$python")
  if [[ -n "$packages" ]]; then
    local command="apt-get install -y --no-install-recommends $packages"
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
      die "missing: $packages. Run: sudo $command"
    fi
    say "Installing system packages: $packages"
    { apt-get update && DEBIAN_FRONTEND=noninteractive $command; } >/dev/null ||
      die "failed: $command"
    packages=$(need_system_packages "$python")
    [[ -z "$packages" ]] ||
      die "$python still lacks $packages. Set PYTHON to an interpreter that has them."
  fi
  "$py" -m pip --version >/dev/null 2>&1 && return
  say "Making $own with $("$python" --version)"
  "$python" -m venv --clear "$own"
}

# The CUDA build where there is a GPU, else a CPU build, which is ten times smaller. A
# +cpu wheel may be at hand; otherwise uv knows where PyTorch keeps its own.
install_torch() {
  if nvidia-smi >/dev/null 2>&1; then
    pip_install "torch==$torch"
  else
    pip_install "torch==$torch+cpu" || {
      pip_install uv &&
        "$py" -m uv pip install --python "$py" --torch-backend=cpu "torch==$torch"
    } || pip_install "torch==$torch"
  fi
}

has_ops() { "$py" -c 'import mmcv.ops' 2>/dev/null; }

install_mmcv() {
  # With no GPU in sight mmcv compiles its CPU operators alone.
  [[ "${FORCE_CUDA:-0}" == 1 ]] || local -x CUDA_VISIBLE_DEVICES=''
  MMCV_WITH_OPS=1 MAX_JOBS=$jobs PATH="$own/bin:$PATH" \
    pip_install -v --no-build-isolation "${pins[@]}" "$@" "$mmcv" && mend_opencv
}

install_the_rest() {
  pip_install "${pins[@]}" -r requirements/mminstall.txt -r requirements.txt && mend_opencv
}

# opencv-python needs libGL, which a machine without a screen may lack; the headless
# build of the same version takes its place.
mend_opencv() {
  "$py" -c 'import cv2' || pip_install --force-reinstall --no-deps \
    "opencv-python-headless==$(version_of opencv-python)"
}

if [[ -n "$active" && ! "$active" -ef "$own" ]] && use_active; then
  say "The active environment $active has everything."
  exit
fi
if is_ready "$own"; then
  say "$own has everything."
  exit
fi

make_venv
rm -f "$own/$mark"
jobs=${MAX_JOBS:-$(awk -v cores="$(nproc)" '/^MemAvailable/ {
  jobs = int($2 / 2 ^ 21); print jobs < 1 ? 1 : jobs < cores ? jobs : cores }' /proc/meminfo)}
# The upstream's setup.py reads names that exec() no longer leaves there in Python 3.13.
mmcv=$("$py" -c 'import sys
print("onedl-mmcv" if sys.version_info >= (3, 13) else "mmcv")')
version=$(pinned "$mmcv")

torch=$(pinned torch)
[[ "$(version_of torch)" == "$torch"* ]] ||
  step "Installing torch $torch (CPU build 200 MB, CUDA build 3 GB) ..." install_torch
step 'Installing the build tools ...' pip_install -r requirements/build.txt
if [[ "$(version_of "$mmcv")" != "$version" ]] || ! has_ops; then
  minutes="about $((30 / jobs > 1 ? 30 / jobs : 1)) minutes with MAX_JOBS=$jobs"
  step "Compiling $mmcv $version: $minutes, seconds if pip has its wheel from before ..." \
    install_mmcv
  # pip may have kept a wheel that was compiled against another torch.
  has_ops || step "Compiling $mmcv $version anew, the kept wheel is unfit: $minutes ..." \
    install_mmcv --force-reinstall --no-deps --no-cache-dir
fi
step 'Installing the other requirements ...' install_the_rest
step 'Installing m2ist_mm ...' pip_install --no-build-isolation --no-deps -e .
step 'Checking all imports ...' "$py" tools/misc/check_env.py
if nvidia-smi >/dev/null 2>&1 && ! "$py" -c 'import torch, sys
sys.exit(not torch.cuda.is_available())'; then
  say 'WARNING: there is a GPU, but this torch cannot use it: a CPU build, or the driver is' \
    "older than its CUDA. For the build that fits the driver: $py -m pip install uv &&" \
    "$py -m uv pip install --python $py --torch-backend=auto --reinstall-package torch" \
    "torch==$torch"
fi
echo "$fingerprint" >"$own/$mark"
say "Done: $own (activate it by: . $own/bin/activate)"
