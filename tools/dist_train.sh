#!/usr/bin/env bash
# Trains with several processes: tools/dist_train.sh CONFIG GPUS [options of train.py]
# Without GPUs, GPUS is the number of CPU processes, which are joined by gloo.
# Several machines: the same command on each, with NNODES, NODE_RANK (0 on the one that
# MASTER_ADDR names), MASTER_ADDR and PORT set.
set -euo pipefail

if (($# < 2)); then
  echo "usage: $0 CONFIG GPUS [options of tools/train.py]" >&2
  exit 2
fi
python -m torch.distributed.run \
  --nnodes="${NNODES:-1}" \
  --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --master_port="${PORT:-29500}" \
  --nproc_per_node="$2" \
  "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"
