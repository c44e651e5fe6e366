#!/usr/bin/env bash
# The quick tests on NumPy 2, in an environment of its own without nuscenes-devkit: what compares with it is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV_NUMPY2:-.venv-numpy2}
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

if [ -z "$(find "$venv/.installed" -newer pyproject.toml -newer .ci/constraints_numpy2.txt 2>/dev/null)" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    # torch first and by itself: an open requirement would fetch the newest CUDA build.
    pip install --quiet "${TORCH:-torch==2.13.0}"
    pip install --quiet --no-deps --editable .
    "$venv/bin/python" - >"$venv/requirements.txt" <<'EOF'
import importlib.metadata

for line in importlib.metadata.requires("cab-forecast"):
    if "extra ==" not in line and not line.startswith("nuscenes-devkit"):
        print(line)
EOF
    pip install --quiet --constraint .ci/constraints_numpy2.txt --requirement "$venv/requirements.txt" \
        pytest pytest-timeout pytest-xdist hypothesis jaxtyping
    touch "$venv/.installed"
fi

"$venv/bin/python" -c 'import numpy; print("NumPy under test:", numpy.__version__); assert numpy.__version__ >= "2"'
"$venv/bin/python" -m pytest "$@" tests/eval tests/data tests/maps tests/prediction tests/test_cli.py tests/test_core.py
