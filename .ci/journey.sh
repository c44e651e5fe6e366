#!/usr/bin/env bash
# What a user does with the wheel: install it into an empty environment, then go from a town to pictures and an ONNX
# file, in a folder that knows nothing of the checkout. CONSTRAINTS= installs the newest versions that are allowed.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
wheel=$(ls "$checkout"/dist/*.whl)
constraints=${CONSTRAINTS-$checkout/.ci/constraints.txt}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset PYTHONPATH
export FORECAST_CACHE="$work/cache"

"${PYTHON:-python3}" -m venv env
# torch first and by itself: an open requirement would fetch the newest CUDA build.
pip() { env/bin/python -m pip --disable-pip-version-check install --quiet ${constraints:+--constraint "$constraints"} "$@"; }
pip ${TORCH:-torch==2.13.0}
pip "$wheel[onnx]"

forecast() { echo "forecast $*"; "$work/env/bin/forecast" "$@" >out.txt 2>&1 || { cat out.txt; exit 1; }; }
data=(--dataroot town --version v1.0-mini)
small=(--run.epochs 1 --run.batch_size 64 --run.accelerator cpu --model.decoder_size 16 --model.modes 6)
forecast --help
forecast town --out town --scenes 10
forecast prepare "${data[@]}" --truth truth.parquet
forecast train --config trajectron "${data[@]}" --out run "${small[@]}"
forecast predict --checkpoint run "${data[@]}" --split mini_val --out run.json
forecast predict --checkpoint town "${data[@]}" --split mini_val --out town.parquet
forecast baselines "${data[@]}" --split mini_val --out baselines
forecast score run.json baselines/constant_velocity_heading.json "${data[@]}" --split mini_val --out report.json --html report.html
forecast score town.parquet --truth truth.parquet --out rows.json
forecast draw run town "${data[@]}" --split mini_val --out scene.png
forecast export --checkpoint run --out run.onnx --samples 50
forecast info
grep -E "^cab-forecast " out.txt

for file in truth.parquet run/best.safetensors run.json town.parquet report.json report.html rows.json scene.png run.onnx; do
    test -s "$file" || { echo "$file: missing or empty" >&2; exit 1; }
done
env/bin/python - <<'PYTHON'
import json

import onnxruntime

import forecast

assert "site-packages" in forecast.__file__, forecast.__file__
for file in ("report.json", "rows.json"):
    document = json.load(open(file))
    for report in document.get("reports", [document]):  # rows of one file: one report
        value = report["metrics"]["min_ade_1"]["value"]
        assert 0 < value < 100, (file, value)
        print(f"{file}: {report.get('name', '')} minADE_1 {value:.2f} m")
onnxruntime.InferenceSession("run.onnx", providers=["CPUExecutionProvider"])
PYTHON

# A user's mistake is one line and exit code 2.
code=0
env/bin/forecast predict --checkpoint nowhere "${data[@]}" --split mini_val --out x.json >out.txt 2>&1 || code=$?
test "$code" = 2 && test "$(wc -l <out.txt)" = 1 || { cat out.txt; exit 1; }
echo "journey: done"
