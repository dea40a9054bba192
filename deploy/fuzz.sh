#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other. No panic may come of it.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s}
failed=0
while IFS=: read -r file name; do
  pkg=./$(dirname "$file")
  echo "== $pkg $name $time"
  go test "$pkg" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime=0 || failed=1
done < <(git ls-files '*_test.go' | xargs grep -hoH -E '^func Fuzz[A-Za-z0-9]+' | sed 's/func //')
exit $failed
