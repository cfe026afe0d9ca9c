#!/usr/bin/env bash
# Both policies asked at once, each on half of the GPUs. `dvc repro` asks one after the other, each on all GPUs, which
# takes about as long for many questions; two at once spare the second start of the engines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/evaluate_both.sh [--help]

Runs what is not up to date up to training, then stages answer@baseline and answer@coherence side by side, each on half of
the GPUs that CUDA_VISIBLE_DEVICES or nvidia-smi names. Grading and the rest are fast: `dvc repro` does them afterwards.
TEXT
}

case "$*" in
  '') ;;
  --help | -h) usage; exit ;;
  *) usage >&2; echo "error: unknown arguments: $*" >&2; exit 2 ;;
esac

# What is not up to date before them would run twice otherwise.
dvc repro train data

gpus=${CUDA_VISIBLE_DEVICES-$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, || true)}
IFS=, read -r -a gpu <<< "$gpus"
half=$((${#gpu[@]} / 2))
if [ ${#gpu[@]} = 1 ]; then
  echo "one GPU: one policy after the other"
  exec dvc repro answer@baseline answer@coherence
fi

# ask POLICY GPUS...: DVC releases its lock while a stage runs, and --single-item keeps it off the other's files.
ask() {
  local policy=$1
  shift
  if [ $half -gt 0 ]; then
    export CUDA_VISIBLE_DEVICES
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "$*")
  fi
  exec python -m src.ops.with_parent dvc --wait-for-lock repro --single-item "answer@$policy"
}

ask baseline "${gpu[@]:0:half}" &
baseline=$!
ask coherence "${gpu[@]:half}" &
coherence=$!
status=0
wait $baseline || status=$?
wait $coherence || status=$?
exit $status
