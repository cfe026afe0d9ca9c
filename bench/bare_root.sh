#!/usr/bin/env bash
# scripts/lambda.sh in a bare root file system, as user ubuntu with sudo: nothing there but what Debian itself needs.
# What a Lambda machine has and this has not is the GPU, so the runs are:
#   tiny   a profile of seconds, to a finished `dvc repro` and a `dvc push` to a real S3 server; then once more
#   abel   ends with the doctor's list of what is missing
# Wants root, mmdebstrap, unshare, and what is under test committed; takes some minutes and 3 GB
# below the folder given.
# The host's apt sources, its pip settings, proxies and certificates hold in there too.
#
# usage: bench/bare_root.sh FOLDER      (an empty or new folder outside the checkout)
set -euo pipefail

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FOLDER=${1:?usage: bench/bare_root.sh FOLDER}
mkdir -p "$FOLDER"
FOLDER=$(cd "$FOLDER" && pwd)
ROOT=$FOLDER/root
PORT=${PORT:-9321}
# not to be found in any file of the repository, so that a search for it tells whether it was written down
SECRET=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

make_root() {
  apt-config dump --format '%F "%v";%n' Acquire | grep -v ' "";$' >"$FOLDER/acquire.conf"
  local sources
  mapfile -t sources < <(find /etc/apt -maxdepth 2 \( -name '*.list' -o -name '*.sources' \) -size +0 | sort)
  # minbase and what a rented machine's image has: a user with sudo, certificates
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt="$FOLDER/acquire.conf" --include=ca-certificates,sudo,adduser \
    "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" "$ROOT" "${sources[@]}"
  chroot "$ROOT" adduser --quiet --disabled-password --gecos '' ubuntu
  echo 'ubuntu ALL=(ALL) NOPASSWD:ALL' >"$ROOT/etc/sudoers.d/ubuntu"
  cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"
  cp /etc/resolv.conf /etc/hosts "$ROOT/etc/"
}

# pip's settings of the host, of all its levels, as one file; and the folders that they name.
pass_on_pip() {
  python3 -m pip config list | sed -n "s/^\(global\|:env:\)\.\([a-z-]*\)='\(.*\)'\$/\2 = \3/p" |
    sort -u -t= -k1,1 >"$FOLDER/pip.options"
  { echo '[global]' && sed 's/\\n/\n  /g' "$FOLDER/pip.options"; } >"$ROOT/etc/pip.conf"
  # their pages link to neighbours, so the folder above comes too
  sed 's#file://##g; s/\\n/ /g' "$FOLDER/pip.options" | tr ' ' '\n' | grep '^/' |
    while read -r path; do if [ -d "$path" ]; then dirname "$path"; fi; done | sort -u >"$FOLDER/mounts"
}

start_s3() {
  python3 -m venv "$FOLDER/s3"
  "$FOLDER/s3/bin/pip" install --quiet nanio==0.1.7
  mkdir -p "$FOLDER/buckets/results"
  NANIO_ACCESS_KEY=bench NANIO_SECRET_KEY=$SECRET \
    "$FOLDER/s3/bin/nanio" serve --data-dir "$FOLDER/buckets" --host 127.0.0.1 --port "$PORT" >"$FOLDER/s3.log" 2>&1 &
  SERVER=$!
  trap 'kill $SERVER' EXIT
}

# inside USER COMMAND: in the new root, with mounts that end with the command
inside() {
  local variables
  mapfile -t variables < <(env | grep -iE '^(https?_proxy|no_proxy)=' || true)
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --propagation private bash -euo pipefail -c '
    root=$1 mounts=$2 user=$3 command=$4
    shift 4
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    while read -r folder; do
      mkdir -p "$root$folder"
      mount --bind "$folder" "$root$folder"
      mount -o remount,bind,ro "$root$folder"
    done <"$mounts"
    exec env -i "$@" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 OMP_NUM_THREADS=1 \
      chroot --userspec="$user:$user" "$root" bash -euo pipefail -c "$command"
  ' bash "$ROOT" "$FOLDER/mounts" "$1" "$2" ${variables[@]+"${variables[@]}"}
}

SETTINGS="export HOME=/home/ubuntu REGIME_W_BUCKET=results/regime-w REGIME_W_ENDPOINT=http://127.0.0.1:$PORT
  export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=$SECRET; cd /home/ubuntu/regime_w"

# The repository is cloned on the host, so that the script itself has to install git.
clone() {
  git clone --quiet --no-hardlinks "$CHECKOUT" "$ROOT/home/ubuntu/regime_w"
  (cd "$CHECKOUT" && .venv/bin/python -c 'from tests.profiles import profile_text; print(profile_text())') \
    >"$ROOT/home/ubuntu/regime_w/profiles/tiny.yaml"
  chroot "$ROOT" chown -R ubuntu:ubuntu /home/ubuntu/regime_w
}

expect() { if grep -q "$1" "$2"; then echo "  as it must be: $1"; else echo "  MISSING: $1 (see $2)"; exit 1; fi; }

make_root
pass_on_pip
clone
start_s3

echo "tiny: installs, runs, pushes; detached and watched"
time inside ubuntu "$SETTINGS; PROFILE=tiny scripts/lambda.sh" >"$FOLDER/tiny.log" 2>&1
expect 'apt-get install git make build-essential' "$FOLDER/tiny.log"
expect 'all on the remote' "$FOLDER/tiny.log"
expect '== .* finished' "$FOLDER/tiny.log"
test -n "$(find "$FOLDER/buckets/results/regime-w" -type f -print -quit)"
if grep -rqs "$SECRET" "$ROOT/home/ubuntu/regime_w"; then echo "  the secret was written into the clone"; exit 1; fi

echo "tiny: a second time nothing runs"
inside ubuntu "$SETTINGS; PROFILE=tiny scripts/lambda.sh --foreground" >"$FOLDER/again.log" 2>&1
expect 'up to date' "$FOLDER/again.log"
if grep -q 'apt-get install' "$FOLDER/again.log"; then echo "  apt was asked again"; exit 1; fi

echo "abel: the doctor refuses a machine without GPUs"
# the packages for GPUs are 10 GB and of no use here, so the list is emptied
sed -i 's/^\([a-z]*==.*\)/# \1/' "$ROOT/home/ubuntu/regime_w/requirements-gpu.txt"
if inside ubuntu "$SETTINGS; PROFILE=abel scripts/lambda.sh" >"$FOLDER/abel.log" 2>&1; then echo "  abel did not fail"; exit 1; fi
expect 'error: this machine cannot do the run' "$FOLDER/abel.log"
expect '^- GPUs: wanted 8' "$FOLDER/abel.log"
echo "all as it must be"
