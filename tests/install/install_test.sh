#!/usr/bin/env bash
# install_test.sh BUILD_FOLDER COMPILER C_COMPILER: installs into a scratch prefix, then builds and runs main.cc and
# main.c against it, once through find_package and once through pkg-config.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
compiler=$2
c_compiler=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
for file in bin/sextant include/sextant/embed.h share/sextant/examples/library/household/dripping-tap.md; do
  [ -e "$scratch/prefix/$file" ] || { echo "$file was not installed" >&2; exit 1; }
done

cmake -G Ninja -S "$here" -B "$scratch/consumer" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_C_COMPILER="$c_compiler" \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/configure.log" || { cat "$scratch/configure.log" >&2; exit 1; }
ninja -C "$scratch/consumer" --quiet
echo "find_package: $("$scratch/consumer/consumer")"
echo "find_package, C: $("$scratch/consumer/consumer_c")"

pc=$(dirname "$(find "$scratch/prefix" -name sextant.pc)")
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/main.cc" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs sextant) -o "$scratch/by_pkg_config"
echo "pkg-config: $("$scratch/by_pkg_config")"
# shellcheck disable=SC2046
"$c_compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror "$here/main.c" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs sextant) \
  -o "$scratch/c_by_pkg_config"
echo "pkg-config, C: $("$scratch/c_by_pkg_config")"

# The programs that README and docs show, as they stand there. Those of collections.md make databases where they run;
# those of other docs need models, so they are only built.
programs=0
for page in "$here/../../README.md" "$here"/../../docs/*.md; do
  rm -f "$scratch"/block*
  awk -v to="$scratch/block" '/^```cpp$/ {inside = 1; ++n; end = ".cc"; next} /^```c$/ {inside = 1; ++n; end = ".c"; next}
    /^```/ {inside = 0} inside {print > (to n end)}' "$page"
  for block in "$scratch"/block*; do
    [ -e "$block" ] || continue
    case $block in *.cc) build_shown=("$compiler" -std=c++20) ;; *) build_shown=("$c_compiler" -std=c11) ;; esac
    { grep '^#include' "$block"; echo "int main(void) {"; grep -v '^#include' "$block"; echo "}"; } >"$scratch/shown_$(basename "$block")"
    # shellcheck disable=SC2046
    "${build_shown[@]}" "$scratch/shown_$(basename "$block")" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs sextant) -o "$scratch/shown"
    case $page in *README.md | *collections.md) (cd "$scratch" && ./shown) ;; esac
    programs=$((programs + 1))
  done
done
echo "$programs programs of README and docs"
[ "$programs" -ge 8 ]

# The installed program works from anywhere, its sample library included.
cd /
HOME="$scratch" "$scratch/prefix/bin/sextant" search --quiet --limit 1 "how do I stop my tap from dripping"
