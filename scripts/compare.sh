#!/usr/bin/env bash
# Both policies as DVC experiments, and what changed between them. Only stage `report` runs: both were evaluated before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/compare.sh [--tag | --help]

Makes the experiments `baseline` and `coherence` of the run at hand and prints `dvc metrics diff baseline coherence`.

--tag   also makes the Git tags of these names; after `git push --tags` any clone can compare, and needs to pull nothing
TEXT
}

case "$*" in
  '' | --tag) ;;
  --help | -h) usage; exit ;;
  *) usage >&2; echo "error: unknown arguments: $*" >&2; exit 2 ;;
esac

for policy in baseline coherence; do
  # Of older commits too: from a third commit DVC cannot tell two experiments of one name apart. Not --force, which would
  # run every stage again.
  git for-each-ref --format='delete %(refname)' "refs/exps/**/$policy" | git update-ref --stdin
  # Tied to this script, which could not end it when it is killed itself.
  python -m src.ops.with_parent dvc exp run --name "$policy" --set-param "policy=$policy"
  if [ "${1:-}" = --tag ]; then
    git tag --force "$policy" "$(git for-each-ref --format='%(objectname)' "refs/exps/**/$policy")"
  fi
done
dvc metrics diff baseline coherence
