#!/usr/bin/env bash
# install_test.sh BUILD_FOLDER COMPILER: installs into a scratch prefix, then builds and runs main.cc against it, once
# through find_package and once through pkg-config.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
compiler=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
for file in bin/sextant include/sextant/embed.h share/sextant/examples/library/household/dripping-tap.md; do
  [ -e "$scratch/prefix/$file" ] || { echo "$file was not installed" >&2; exit 1; }
done

cmake -G Ninja -S "$here" -B "$scratch/consumer" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/configure.log" || { cat "$scratch/configure.log" >&2; exit 1; }
ninja -C "$scratch/consumer" --quiet
echo "find_package: $("$scratch/consumer/consumer")"

pc=$(dirname "$(find "$scratch/prefix" -name sextant.pc)")
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/main.cc" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs sextant) -o "$scratch/by_pkg_config"
echo "pkg-config: $("$scratch/by_pkg_config")"

# The README's program, as it stands there.
awk '/^```cpp/ {inside = 1; next} /^```/ {inside = 0} inside' "$here/../../README.md" >"$scratch/readme.txt"
{ grep '^#include' "$scratch/readme.txt"; echo "int main() {"; grep -v '^#include' "$scratch/readme.txt"; echo "}"; } >"$scratch/readme.cc"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$scratch/readme.cc" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs sextant) -o "$scratch/readme"
"$scratch/readme"

# The installed program works from anywhere, its sample library included.
cd /
HOME="$scratch" "$scratch/prefix/bin/sextant" search --quiet --limit 1 "how do I stop my tap from dripping"
