#!/usr/bin/env bash
# Every figure, peers beside ours in the same run. Prints FIGURE lines and the
# output of the benchmarks. STEP=name runs one step. Each takes under ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
want=()
command -v wrk >/dev/null || want+=(wrk)
command -v hey >/dev/null || want+=(hey)
ls /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1 || want+=(postgresql postgis "postgresql-$(pg_config --version 2>/dev/null | grep -oE '[0-9]+' | head -1 || echo 15)-postgis-3")
if [ ${#want[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${want[@]}"
fi
ulimit -n "$(ulimit -Hn)"
mkdir -p build
step() { # name, command …
  local name=$1
  shift
  if [ -n "${STEP:-}" ] && [ "$STEP" != "$name" ]; then return; fi
  echo "== $name"
  "$@" | tee "build/bench-$name.txt"
}
go_bench() { go test -run '^$' -bench "$1" -benchtime "${BENCHTIME:-1s}" -timeout 10m "$2"; }
whole() { go test -tags bench -count=1 -v -timeout 10m -run "^$1\$" ./server/bench; }
step index go_bench . ./geo
step streams go_bench . ./streams
step door go_bench . ./server/api
step snap go_bench Roads ./geo/city
figures() { go test -tags bench -run '^$' -bench "$1" -benchtime "$2" -timeout 10m "$3"; }
step roads figures /Delaware 300x ./geo/roads
step roads-ten figures /ten 20x ./geo/roads # of which making the order of two million edges is four minutes
step coverage figures . "${BENCHTIME:-1s}" ./geo/coverage
step nearest whole TestNearestHTTP
step feed whole TestFeedToSocket
step return whole TestTenThousandReturn
step fanout whole TestFanOut
step surge whole TestSurge
step day whole TestRestoreDay
step million whole TestMillion
step browser npx vitest bench --run --root frontend
step draw node frontend/bench/draw/run.mjs # beside MapLibre's updateData and deck.gl, in Chromium
