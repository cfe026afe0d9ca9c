#!/usr/bin/env bash
# Both evaluations at once, each on half of the GPUs. `dvc repro` does them one after the other, each on all GPUs, which
# takes about as long for many questions; two at once spare the second start of the engines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --help ]; then
  echo "usage: scripts/evaluate_both.sh    runs stages eval@baseline and eval@coherence side by side; then: dvc repro"
  exit 0
fi

# What is not up to date before them would run twice otherwise.
dvc repro train data

gpus=${CUDA_VISIBLE_DEVICES-$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, || true)}
IFS=, read -r -a gpu <<< "$gpus"
half=$((${#gpu[@]} / 2))
if [ ${#gpu[@]} = 1 ]; then
  echo "one GPU: one evaluation after the other"
  exec dvc repro eval@baseline eval@coherence
fi

# evaluate POLICY GPUS...: DVC lets go of its lock while a stage runs, and --single-item keeps it off the other's files.
evaluate() {
  local policy=$1
  shift
  if [ $half -gt 0 ]; then
    export CUDA_VISIBLE_DEVICES
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "$*")
  fi
  exec dvc --wait-for-lock repro --single-item "eval@$policy"
}

evaluate baseline "${gpu[@]:0:half}" &
baseline=$!
evaluate coherence "${gpu[@]:half}" &
coherence=$!
status=0
wait $baseline || status=$?
wait $coherence || status=$?
exit $status
