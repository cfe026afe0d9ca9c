#!/usr/bin/env bash
# From a fresh Lambda machine (Ubuntu 22.04 or 24.04) to a finished and shared run; docs/lambda.md describes all of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/lambda.sh [--foreground | --help]

Installs what the run needs, checks the machine, runs `dvc repro` and pushes the results. It goes on when the connection is lost:
run it again to watch it. After an error or a restart of the machine run it again too; finished steps are not repeated.

--foreground   run here, in this terminal, instead of detached from it

Settings, all by environment variables:
  REGIME_W_BUCKET         the S3 bucket for DVC, with a folder if you like: my-bucket/regime-w; it must exist
  AWS_ACCESS_KEY_ID       and
  AWS_SECRET_ACCESS_KEY   its credentials; they stay in the environment and are written nowhere
  REGIME_W_ENDPOINT       optional: URL of an S3 server that is not Amazon's
  HF_TOKEN                optional: for models that the hub gives only to known users
  PROFILE                 optional: a file of profiles/ without .yaml; abel unless set
TEXT
}

say() { printf '\n== %s  %s\n' "$(date +%H:%M:%S)" "$*"; }
stop() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

WORK=.work
LOG=$WORK/lambda.log
LOCK=$WORK/lambda.lock
PID=$WORK/lambda.pid
STATUS=$WORK/lambda.status
PROFILE=${PROFILE:-abel}
if [ "$(id -u)" = 0 ]; then SUDO=(); else SUDO=(sudo); fi

# --- before anything starts ---

check_place() {
  if ! { [ -e .git ] && [ -f params.yaml ] && [ -f dvc.yaml ]; }; then
    stop "$PWD is no clone of the repository (it lacks .git, params.yaml or dvc.yaml); git clone it, and run scripts/lambda.sh there"
  fi
}

check_settings() {
  [ -n "${REGIME_W_BUCKET:-}" ] || stop "REGIME_W_BUCKET is not set; name the S3 bucket for the results (--help lists all)"
  for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    [ -n "${!name:-}" ] || stop "$name is not set; export the credentials of the bucket (--help lists all settings)"
  done
  if ! [[ $PROFILE =~ ^[A-Za-z0-9_-]+$ && -f profiles/$PROFILE.yaml ]]; then
    stop "PROFILE is '$PROFILE', and profiles/ has no $PROFILE.yaml (there are: $(cd profiles && echo *.yaml))"
  fi
}

# --- the steps ---

# apt_install PACKAGE...: on a machine that has just started, its own updates may hold apt for some minutes
apt_install() {
  say "apt-get install $*"
  "${SUDO[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 update
  "${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@"
}

# The first interpreter that is new enough and can make an environment.
find_python() {
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  return 1
}

install_system_packages() {
  local missing=()
  for name in git make; do
    command -v "$name" >/dev/null || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" ca-certificates
  find_python >/dev/null || apt_install python3 python3-venv
  # Ubuntu 22.04: its python3 is 3.10, and a newer one stands beside it
  find_python >/dev/null || apt_install python3.11 python3.11-venv
  find_python >/dev/null || stop "no Python 3.11 or newer with its venv module; install one and run this again"
}

# Each call repeats nothing that is there, and completes an environment whose installation was interrupted.
install_environment() {
  local python
  python=$(find_python)
  say "environment .venv by $python, packages of requirements.txt"
  "$python" -m venv .venv
  export PATH="$PWD/.venv/bin:$PATH"
  pip --disable-pip-version-check install --quiet -r requirements.txt -c constraints.txt
}

install_for_gpus() {
  local include
  include=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
  # vLLM compiles kernels on the machine, with Python's headers of that very version
  command -v g++ >/dev/null || apt_install build-essential
  [ -f "$include/Python.h" ] || apt_install "$(basename "$include")-dev"
  say "packages of requirements-gpu.txt"
  pip --disable-pip-version-check install --quiet -r requirements.txt -r requirements-gpu.txt -c constraints.txt
}

choose_profile() {
  say "profile $PROFILE in params.yaml"
  sed -i "s/^profile: .*/profile: $PROFILE/" params.yaml
  grep -q "^profile: $PROFILE\$" params.yaml || stop "params.yaml has no line 'profile: …' to set; git checkout params.yaml"
}

# How many GPUs the profile needs.
gpus_of_plan() {
  local plan
  plan=$(python -m src.stages.doctor --plan-only --json) || return
  python -c 'import json, sys; print(json.loads(sys.argv[1])["plan"]["gpus"])' "$plan"
}

configure_dvc() {
  say "DVC: cache and remote, in .dvc/config.local"
  if [ "$(id -u)" = 0 ]; then
    echo "Checkpoints are copied into DVC's cache: root could write through a link and corrupt it. Another user saves that space."
  else
    dvc config --local cache.type hardlink
  fi
  dvc remote add --quiet --local --default --force storage "s3://${REGIME_W_BUCKET#s3://}"
  # what comes back is checked against its checksum
  dvc remote modify --local storage verify true
  if [ -n "${REGIME_W_ENDPOINT:-}" ]; then
    dvc remote modify --local storage endpointurl "$REGIME_W_ENDPOINT"
  fi
}

share() {
  say "push"
  python -m src.ops.remote push
  say "finished"
  cat <<TEXT
Checkpoints and texts are in s3://${REGIME_W_BUCKET#s3://}, report.md and metrics/ are here. Keep the run in Git, then
end the machine:

  git switch -c run-$PROFILE
  git add params.yaml dvc.lock metrics plots
  git commit -m "A run of profile $PROFILE"
  git push -u origin run-$PROFILE
TEXT
}

run_all() {
  say "Regime W, profile $PROFILE"
  install_system_packages
  echo "commit $(git rev-parse HEAD)"
  install_environment
  choose_profile
  local gpus
  gpus=$(gpus_of_plan)
  if [ "$gpus" = 0 ]; then
    echo "The profile needs no GPU: requirements-gpu.txt is left out."
  else
    install_for_gpus
  fi
  configure_dvc
  say "doctor"
  python -m src.stages.doctor
  say "dvc repro"
  python -m src.ops.repair
  dvc repro
  share
}

# --- once, and detached ---

# Runs here. The lock is held as long as this process or a child of it lives, so that no second run starts beside it.
run_here() {
  exec 9>"$LOCK"
  flock -n 9 || stop "a run is at work in this clone already; run scripts/lambda.sh to watch it"
  rm -f "$STATUS"
  echo $$ >"$PID"
  trap 'echo $? >"$STATUS"' EXIT
  run_all
}

# watch PROCESS FIRST_LINE: shows the log until the process ends, and ends with its status
watch() {
  tail -n "+$2" -f --pid="$1" "$LOG"
  [ -f "$STATUS" ] || stop "process $1 ended without a status (killed, or the machine was restarted); run scripts/lambda.sh again"
  exit "$(cat "$STATUS")"
}

main() {
  case "$*" in
    --help | -h) usage; exit ;;
    '' | --foreground) ;;
    *) usage >&2; echo "error: unknown arguments: $*" >&2; exit 2 ;;
  esac
  check_place
  mkdir -p "$WORK"
  touch "$LOG"

  if [ "${1:-}" != --foreground ] && ! flock -n "$LOCK" true; then
    say "already at work: this is its log (Ctrl-C leaves it alone)"
    watch "$(cat "$PID")" 1
  fi
  check_settings
  if [ "${1:-}" = --foreground ]; then
    run_here
  else
    local first=$(($(wc -l <"$LOG") + 1))
    rm -f "$STATUS"
    setsid nohup scripts/lambda.sh --foreground >>"$LOG" 2>&1 </dev/null &
    say "started as process $!, log in $LOG: it goes on without this terminal (Ctrl-C leaves it alone)"
    watch $! "$first"
  fi
}

main "$@"
