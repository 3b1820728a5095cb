#!/usr/bin/env bash
# install.sh BUILD_FOLDER: puts ONNX Runtime's npm package into BUILD_FOLDER, once. Its install script is not run: all it
# does is fetch the parts for graphics cards.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")" && pwd)
build_folder=${1:?usage: install.sh BUILD_FOLDER}
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "bench/encode needs $tool for its peer: apt-get install nodejs npm, or --no-peer" >&2
    exit 1
  fi
done
mkdir -p "$build_folder"
cp "$source_folder/package.json" "$build_folder/"
cd "$build_folder"
wanted=$(node -p 'require("./package.json").dependencies["onnxruntime-node"]')
found=$(node -p 'require("onnxruntime-node/package.json").version' 2>/dev/null || true)
if [ "$found" != "$wanted" ]; then
  npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error >&2
fi
echo "{}"
