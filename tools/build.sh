#!/usr/bin/env bash
# tools/build.sh PRESET [TARGET...]: configures and builds what has changed. All output goes to stderr, and nothing is
# printed when nothing is to be done.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=$1
shift
build="$root/build/$preset"
if [ ! -f "$build/build.ninja" ]; then
  (cd "$root" && cmake --preset "$preset") >"$root/.cmake.log" 2>&1 || { cat "$root/.cmake.log" >&2; exit 1; }
  rm -f "$root/.cmake.log"
fi
if ! ninja -C "$build" -n "$@" | grep -q 'no work to do'; then
  echo "Building Sextant ($preset); the first time takes a few minutes." >&2
  ninja -C "$build" "$@" >&2
fi
