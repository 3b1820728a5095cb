#!/usr/bin/env bash
# format_test.sh SOURCE_FOLDER CLANG_FORMAT: every .h and .cc file is as clang-format (.clang-format) would write it.
set -euo pipefail
folder=$1
tool=${2:-}
if ! [ -x "$tool" ] || ! "$tool" --version | grep -q 'version 14'; then
  echo "clang-format 14 is not installed: skipped"
  exit 77
fi
find "$folder"/{src,include,tests,bench} -name '*.h' -print0 -o -name '*.cc' -print0 |
  xargs -0 "$tool" --dry-run -Werror --ferror-limit=1 --style=file
