#!/usr/bin/env bash
# What each of several machines does in one run; docs/scale.md describes it. slurm.sh and skypilot.yaml start it on all of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'TEXT'
usage: scripts/cluster/node.sh [--help]

Give it on every machine, in the one checkout that all of them see at the same path, with .venv active. Machine 0 runs DVC; the
others lend their GPUs: to sampling as a Ray cluster, to training as `python -m src.training.launch`. Each ends when the run does,
with its status.

Settings, all by environment variables:
  NNODES       machines; with 1 it is `dvc repro` alone
  NODE_RANK    of this machine, from 0
  MASTER_ADDR  name or address of machine 0, as the others reach it
  RUN_ID       the same on all machines, and another for each start: a word for this run
  MASTER_PORT  optional: of machine 0, for training; 29500 unless set
  RAY_PORT     optional: of machine 0, for sampling; 6379 unless set
  WAIT_SECONDS optional: for the other machines to come; 600 unless set
TEXT
}

say() { printf '%s machine %s: %s\n' "$(date +%H:%M:%S)" "$NODE_RANK" "$*"; }
stop() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

check_settings() {
  for name in NNODES NODE_RANK MASTER_ADDR RUN_ID; do
    [ -n "${!name:-}" ] || stop "$name is not set (--help lists all settings)"
  done
  [[ $NNODES =~ ^[1-9][0-9]*$ ]] || stop "NNODES is '$NNODES', where a number of machines is wanted"
  if ! { [[ $NODE_RANK =~ ^[0-9]+$ ]] && [ "$NODE_RANK" -lt "$NNODES" ]; }; then
    stop "NODE_RANK is '$NODE_RANK', where a number from 0 to $((NNODES - 1)) is wanted"
  fi
  [[ $RUN_ID =~ ^[A-Za-z0-9._-]+$ ]] || stop "RUN_ID is '$RUN_ID', where a word of letters, digits and . _ - is wanted"
}

# await SECONDS COMMAND...: until the command succeeds; fails after so many seconds, 0 for never
await() {
  local until=$((SECONDS + $1)) limit=$1
  shift
  until "$@"; do
    [ "$limit" = 0 ] || [ $SECONDS -lt "$until" ] || return 1
    sleep 1
  done
}

# Processes that must not outlive this one.
ray_here=
working=
leave() {
  local process
  trap '' TERM INT # a second signal must not cut this short
  for process in $working $ray_here; do
    kill "$process" 2>/dev/null || true
  done
  wait
}

# work COMMAND...: bash itself waits, so that a signal ends both.
work() {
  "$@" &
  working=$!
  wait "$working"
  working=
}

# Who knows the token may use the cluster, and run anything on it; without one that is everybody who reaches the port. Drivers
# look for a token only where RAY_AUTH_MODE says so, though `ray start` asks for one wherever a token lies in the home folder.
export RAY_AUTH_MODE=token
write_token() { (umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH"); }

# --block: Ray ends with this process, and no other Ray of the machine is touched.
start_ray() {
  ray start --block --disable-usage-stats "$@" >"$NOTES/ray-$NODE_RANK.log" 2>&1 &
  ray_here=$!
}
ray_started() { grep -q 'Ray runtime started' "$NOTES/ray-$NODE_RANK.log"; }
head_answers() { (exec 3<>"/dev/tcp/$MASTER_ADDR/$RAY_PORT") 2>/dev/null; }
count_notes() { find "$NOTES" -name "$1-*" | wc -l; }
all_joined() { [ "$(count_notes joined)" -ge $((NNODES - 1)) ]; }
all_left() { [ "$(count_notes left)" -ge "$(count_notes joined)" ]; }

# --- machine 0 ---

# The others leave first: what is left of a Ray whose head has gone looks for it for a minute.
tell_the_end() {
  local status=$?
  trap '' TERM INT
  echo "$status" >"$NOTES/end"
  await 30 all_left || true
  leave
  exit "$status"
}

lead() {
  trap tell_the_end EXIT
  write_token
  start_ray --head --port="$RAY_PORT" --include-dashboard=false
  await "$WAIT_SECONDS" head_answers || stop "Ray did not start: see $NOTES/ray-0.log"
  await "$WAIT_SECONDS" all_joined ||
    stop "not all of $NNODES machines came within $WAIT_SECONDS s; they must see $PWD, and reach $MASTER_ADDR:$RAY_PORT"
  say "all $NNODES machines are here"
  # Only sampling and answers ask for it. Training finds its machines by NNODES, NODE_RANK and MASTER_ADDR.
  export RAY_ADDRESS=$MASTER_ADDR:$RAY_PORT
  work dvc repro prefs
  touch "$NOTES/train"
  work dvc repro train
  touch "$NOTES/trained"
  work dvc repro
}

# --- the others ---

leave_and_say_so() {
  leave
  touch "$NOTES/left-$NODE_RANK"
}

come_to() {
  trap leave_and_say_so EXIT
  await "$WAIT_SECONDS" head_answers || stop "no Ray answers at $MASTER_ADDR:$RAY_PORT within $WAIT_SECONDS s"
  start_ray --address="$MASTER_ADDR:$RAY_PORT"
  await "$WAIT_SECONDS" ray_started || stop "Ray did not start here: see $NOTES/ray-$NODE_RANK.log"
  touch "$NOTES/joined-$NODE_RANK"
  await 0 told train
  [ -e "$NOTES/end" ] || join_training
  await 0 told end
  say "the run has ended"
  exit "$(cat "$NOTES/end")"
}

# Whether machine 0 has come so far, or to its end; ends this machine where machine 0 is gone without a word.
told() {
  [ -e "$NOTES/$1" ] || [ -s "$NOTES/end" ] && return
  kill -0 "$ray_here" 2>/dev/null || stop "Ray has ended here, and machine 0 left no status: see $NOTES/ray-$NODE_RANK.log"
  return 1
}

# Machine 0 may have nothing to train (too few pairs, or an adapter that is there): then this one must not wait for it.
join_training() {
  say "joins the training"
  python -m src.training.launch &
  working=$!
  until told trained || ended "$working"; do sleep 1; done
  if [ -e "$NOTES/trained" ] || [ -e "$NOTES/end" ]; then
    await 10 ended "$working" || kill "$working" 2>/dev/null || true
    wait "$working" || true
  else
    wait "$working" || stop "training failed on this machine; the cause stands above"
  fi
  working=
}
ended() { ! kill -0 "$1" 2>/dev/null; }

main() {
  case "$*" in
    --help | -h) usage; exit ;;
    '') ;;
    *) usage >&2; echo "error: unknown arguments: $*" >&2; exit 2 ;;
  esac
  check_settings
  export NNODES NODE_RANK MASTER_ADDR MASTER_PORT=${MASTER_PORT:-29500}
  RAY_PORT=${RAY_PORT:-6379}
  WAIT_SECONDS=${WAIT_SECONDS:-600}
  NOTES=.work/cluster/$RUN_ID
  mkdir -p "$NOTES"
  export RAY_AUTH_TOKEN_PATH=$PWD/$NOTES/token
  if [ "$NNODES" = 1 ]; then
    exec dvc repro
  elif [ "$NODE_RANK" = 0 ]; then
    [ ! -e "$NOTES/end" ] || stop "a run named $RUN_ID has ended here already; give RUN_ID another word"
    lead
  else
    come_to
  fi
}

main "$@"
