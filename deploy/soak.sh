#!/usr/bin/env bash
# Keeps a wall and a server under load for a while: the server is killed and comes
# back, the wall must come back alone, show the server's world, and not grow.
# SOAK_MINUTES moves the length (8).
set -euo pipefail
cd "$(dirname "$0")/.."
node frontend/e2e/soak.mjs "${SOAK_MINUTES:-8}"
