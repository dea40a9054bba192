#!/usr/bin/env bash
# The long fault tests: 50 kills, 20 power cuts, full disks, 1,000 flipped bits,
# and 10,000 ways to harm a record that `rasad audit verify` must find.
# Each step stays under ten minutes. Power cuts and full disks need root.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
  echo "make faults mounts file systems: run it as root" >&2
  exit 1
fi
echo "== three servers, the leader lost"
go test -tags faults -count=1 -timeout 9m -v ./streams -run TestClusterLosesItsLeader
echo "== 10,000 mutations of the record"
go test -tags faults -count=1 -timeout 9m -v ./streams -run TestEveryMutationIsFound
echo "== 1,000 sessions ended, each with its sockets within a second"
RASAD_LONG=1 go test -count=1 -timeout 9m -v ./server/api -run TestASessionThatIsOverIsCutOff
for step in Kill PowerCut FullDisk Flip; do
  echo "== $step"
  go test -tags faults -count=1 -timeout 10m -v ./streams/faults -run "$step"
done
