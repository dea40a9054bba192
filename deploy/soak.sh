#!/usr/bin/env bash
# What takes long to prove, in steps under ten minutes. STEP=name runs one step.
set -euo pipefail
cd "$(dirname "$0")/.."
want=()
ls /usr/share/postgresql/*/extension/pgrouting.control >/dev/null 2>&1 || want+=(postgresql "postgresql-$(pg_config --version 2>/dev/null | grep -oE '[0-9]+' | head -1 || echo 15)-pgrouting")
if [ ${#want[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${want[@]}"
fi
step() { # name, command …
  local name=$1
  shift
  if [ -n "${STEP:-}" ] && [ "$STEP" != "$name" ]; then return; fi
  echo "== $name"
  "$@"
}
soak() { go test -tags soak -count=1 -v -timeout 10m -run "$2" "$1"; }
# A month of a city, made once.
step month node --input-type=module -e "import { stateOf } from './frontend/e2e/states.mjs'; stateOf('month')"
# A wall on that month, played 720 times as fast, whose GPU context, server and workers are taken away again and again:
# never blank, never LIVE over old data, not larger at the end. SOAK_MINUTES=60 is the whole month with 50, 20 and 20 of each.
step wall node frontend/e2e/soak.mjs "${SOAK_MINUTES:-7}"
# 10,000 random ways on each of two cities equal a textbook Dijkstra.
step roads soak ./geo/roads Cities
# Whole extracts: all of Delaware, all of Andorra, each in one command.
step city soak ./geo/city 'Delaware|Andorra|Twice'
step coverage soak ./geo/coverage TestWholeDelaware
# PostgreSQL's pgRouting finds the same times on the same graph.
step witness go test -tags witness -count=1 -v -timeout 10m -run TestWitnessPGRouting ./geo/roads
