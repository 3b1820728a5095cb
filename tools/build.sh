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
# Whether there is work is known only once ninja has looked for new files, so the headline waits for the first step. On a
# terminal the steps share one line.
headline=1
step=0
ninja -C "$build" "$@" 2>&1 | {
  while IFS= read -r line; do
    case $line in
      "ninja: Entering directory"* | "ninja: no work to do." | *"Re-checking globbed directories..." | "-- "*) continue ;;
    esac
    if [ $headline = 1 ]; then
      echo "Building Sextant ($preset); the first time takes a few minutes." >&2
      headline=0
    fi
    if [[ -t 2 && $line =~ ^\[[0-9]+/[0-9]+\] ]]; then
      printf '\r\033[K%s' "${line:0:$(($(tput cols 2>/dev/null || echo 80) - 1))}" >&2
      step=1
    else
      [ $step = 0 ] || echo >&2
      step=0
      echo "$line" >&2
    fi
  done
  [ $step = 0 ] || echo >&2
}
