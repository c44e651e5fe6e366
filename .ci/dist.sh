#!/usr/bin/env bash
# Builds the sdist and the wheel into dist/. The wheel of the sdist must hold the same files as that of the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VENV:-.venv}/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { "$python" -m build --no-isolation "$@" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }; }
names() { "$python" -c "import sys, zipfile; print(*sorted(zipfile.ZipFile(sys.argv[1]).namelist()), sep=chr(10))" "$1"; }

rm -rf build dist
build --outdir dist .
mkdir "$work/sdist" && tar -xzf dist/*.tar.gz -C "$work/sdist" --strip-components 1
build --wheel --outdir "$work/again" "$work/sdist"
diff <(names dist/*.whl) <(names "$work"/again/*.whl)
ls -l dist
