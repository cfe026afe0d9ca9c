#!/usr/bin/env bash
# A run on machines of a Slurm cluster: `sbatch scripts/cluster/slurm.sh`, in a checkout on a file system that all of them see, with
# .venv made (docs/scale.md). Options of sbatch's command line replace those below: sbatch --nodes=1 scripts/cluster/slurm.sh
#SBATCH --job-name=regime-w
# Machines; with 1 no Ray is started.
#SBATCH --nodes=2
# One process on each, node.sh, which starts what it needs.
#SBATCH --ntasks-per-node=1
# GPUs of each; by train.processes: null and engine.workers: null all of them are used.
#SBATCH --gpus-per-node=8
# Cores of each: Ray and the stages share them.
#SBATCH --cpus-per-task=32
# Memory of each; machine.memory of the profile.
#SBATCH --mem=200G
# Hours:minutes:seconds. A job that runs out of time is submitted again, and goes on from its finished texts and checkpoints.
#SBATCH --time=04:00:00
# What it prints, with the number of the job. The folder must be there: mkdir -p .work
#SBATCH --output=.work/slurm-%j.log
set -euo pipefail

case "$*" in
  '') ;;
  --help | -h)
    echo "usage: scripts/cluster/slurm.sh [--help]"
    echo "Submit it in a checkout: sbatch scripts/cluster/slurm.sh (docs/scale.md)"
    exit
    ;;
  *)
    printf 'usage: scripts/cluster/slurm.sh [--help]\nerror: unknown arguments: %s\n' "$*" >&2
    exit 2
    ;;
esac
if [ -z "${SLURM_JOB_ID:-}" ]; then
  echo "error: this is no job of Slurm; submit it: sbatch scripts/cluster/slurm.sh" >&2
  exit 1
fi

# Slurm runs a copy of this file from a folder of its own.
cd "$SLURM_SUBMIT_DIR"
# shellcheck source=/dev/null
. .venv/bin/activate

NNODES=$SLURM_JOB_NUM_NODES
# The first of the job's machines, which Slurm counts as 0. No pipe: it would break as the first line has been read.
read -r MASTER_ADDR < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# Other jobs may be on these machines: ports by the number of the job.
MASTER_PORT=$((20000 + SLURM_JOB_ID % 5000))
RAY_PORT=$((25000 + SLURM_JOB_ID % 5000))
# A job that Slurm starts again is another start of the run.
RUN_ID=slurm-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
export NNODES MASTER_ADDR MASTER_PORT RAY_PORT RUN_ID

# --kill-on-bad-exit: where one machine fails, the others do not wait for it.
# shellcheck disable=SC2016  # SLURM_NODEID is that of each machine, not of this shell
srun --kill-on-bad-exit=1 bash -c 'NODE_RANK=$SLURM_NODEID exec scripts/cluster/node.sh'
