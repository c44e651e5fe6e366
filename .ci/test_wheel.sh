#!/usr/bin/env bash
# Builds wheel and sdist, installs the wheel beside the development environment's dependencies (but not its editable
# install), and runs the tests from a copy of the checkout that holds neither the links nor the folders they lead to.
set -euo pipefail
venv=$(cd "${VENV:-.venv}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$venv/bin/python" -m build --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
# The wheel of the sdist must be the wheel of the checkout.
mkdir "$work/sdist" && tar -xzf "$work"/dist/*.tar.gz -C "$work/sdist" --strip-components 1
"$venv/bin/python" -m build --no-isolation --wheel --outdir "$work/dist2" "$work/sdist" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
names() { "$venv/bin/python" -c "import sys, zipfile; print(*sorted(zipfile.ZipFile(sys.argv[1]).namelist()), sep=chr(10))" "$1"; }
diff <(names "$work"/dist/*.whl) <(names "$work"/dist2/*.whl)

"$venv/bin/python" -m venv --without-pip "$work/env"
site=$("$work/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/dependencies.pth"
"$venv/bin/python" -m pip --disable-pip-version-check --python "$work/env/bin/python" install --quiet --no-deps --ignore-installed "$work"/dist/*.whl

# tests find examples, benchmarks and documents beside them, and nothing else
mkdir "$work/copy"
for part in tests examples benchmarks docs pyproject.toml; do
    if [ -e "$part" ]; then cp -r "$part" "$work/copy/"; fi
done
cd "$work/copy"
PATH="$work/env/bin:$PATH" "$work/env/bin/python" -P -c 'import forecast.data, sys; print("wheel under test:", forecast.__file__)'
PATH="$work/env/bin:$PATH" "$work/env/bin/python" -P -m pytest "$@"
