#!/usr/bin/env bash
# tools/duckdb.sh [FOLDER]: puts DuckDB's library (libduckdb.so, MIT licence) into FOLDER, by default
# ~/.local/lib/sextant, where Sextant looks for it. It is what reads and writes Parquet; all else works without it.
# It comes out of the package that DuckDB publishes for Node.js, of one version whose bytes are known here. Does nothing
# where that version is in place.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-$HOME/.local/lib/sextant}
package=@duckdb/node-bindings-linux-x64
version=1.5.6-r.1
archive_sha512=21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5
library_sha512=54b9566f0b200e52f44416412bc616fbb693138529fef8150ac6fbd2c6c797612b43c5b5b444ccf85461b0a79a627067455adcc704c92295d813faa10b5fcbdd

if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
  echo "duckdb: known here for Linux on x86_64 alone; set SEXTANT_DUCKDB to a libduckdb.so for $(uname -s) $(uname -m)" >&2
  exit 1
fi
is() {  # FILE SHA512
  [ -f "$1" ] && [ "$(sha512sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}
if is "$folder/libduckdb.so" $library_sha512; then exit 0; fi

command -v npm >/dev/null || "$root/tools/setup.sh" npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "Fetching DuckDB ${version%%-*} (23 MB) into $folder" >&2
(cd "$work" && npm pack --silent --pack-destination "$work" "$package@$version" >"$work/log" 2>&1) || {
  tail -5 "$work/log" >&2
  exit 5
}
archive=$(find "$work" -name '*.tgz')
if ! is "$archive" $archive_sha512; then
  echo "duckdb: what came for $package@$version is not the archive known here (SHA-512 differs)" >&2
  exit 4
fi
tar -xzf "$archive" -C "$work" package/libduckdb.so package/LICENSE
if ! is "$work/package/libduckdb.so" $library_sha512; then
  echo "duckdb: libduckdb.so of $package@$version is not the file known here (SHA-512 differs)" >&2
  exit 4
fi
mkdir -p "$folder"
# Another process may have the old one open: it keeps it.
install -m 644 "$work/package/LICENSE" "$folder/libduckdb.LICENSE"
install -m 644 "$work/package/libduckdb.so" "$folder/.libduckdb.so.new"
mv "$folder/.libduckdb.so.new" "$folder/libduckdb.so"
