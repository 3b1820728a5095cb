#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing, and any named as arguments. Does nothing, and
# needs no network, when all are there. Runs as root or through sudo.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

mapfile -t wanted < <(grep -v '^#' "$here/packages.txt")
wanted+=("$@")
missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: these packages are missing, and neither root nor sudo is at hand: ${missing[*]}" >&2
    exit 5
  fi
  sudo=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1
}
# The package lists may be absent or old: refresh them only when the first try fails.
if ! install; then
  "${sudo[@]}" apt-get update >"$log" 2>&1 && install || { tail -5 "$log" >&2; exit 5; }
fi
