#!/usr/bin/env bash
# Installs what the tests need and this machine lacks; `pictures` adds what only pictures need. Debian and Ubuntu.
set -euo pipefail
want=()
command -v gcc >/dev/null || want+=(gcc libc6-dev)
command -v pkg-config >/dev/null || want+=(pkg-config)
[ -e /usr/include/zlib.h ] || want+=(zlib1g-dev)
command -v "${CHROMIUM:-chromium}" >/dev/null || want+=(chromium)
command -v curl >/dev/null || want+=(curl)
# The embed says Chinese in the letters of the reader's phone.
[ "${1:-}" != pictures ] || [ -n "$(fc-list :lang=zh)" ] || want+=(fonts-wqy-microhei)
[ ${#want[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
echo "installing: ${want[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${want[@]}"
