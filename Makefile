# `make demo` and `make test` set up everything they need on a machine with Python 3.10–3.12, and are quick the second time.
PYTHON ?= python3
VENV ?= .venv
# What to hand to pip for torch; see "Install" in the README for CPU-only and GPU builds.
TORCH ?= torch==2.13.0
DEMO_OUT ?= out/demo
WEIGHTS_OUT ?= out/weights
# Tests of a file stay together, since they share what is slow to make.
IN_PARALLEL ?= --numprocesses auto --maxprocesses 4 --dist loadfile
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install demo weights paper test test-slow test-numpy2 lint docs dist journey clean before-after

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null || \
		{ echo "needs Python 3.10-3.12 with venv (Debian: apt install python3-venv); found $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@# torch first and by itself: an open requirement would fetch the newest CUDA build.
	$(PIP) install --quiet $(TORCH)
	$(PIP) install --quiet --constraint .ci/constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint .ci/constraints.txt --editable '.[dev,tensorboard,onnx,ros,apollo]'
	@touch $@

install: $(VENV)/.installed ## create .venv and install the package

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet --constraint .ci/constraints.txt --editable '.[docs]'
	@touch $@

demo: $(VENV)/.installed ## the whole path on a synthetic town: data, training, forecasts, scores, pictures
	$(BIN)/forecast demo --out $(DEMO_OUT)

weights: $(VENV)/.installed ## train the weights that come with the package, on a synthetic town of its own
	$(BIN)/forecast town --out $(WEIGHTS_OUT)/town --scenes 240 --seed 1 --version v1.0-trainval
	$(BIN)/forecast train --config town --dataroot $(WEIGHTS_OUT)/town --out $(WEIGHTS_OUT)/run --resume
	mkdir -p forecast/weights
	cp $(WEIGHTS_OUT)/run/best.safetensors forecast/weights/town.safetensors

test: $(VENV)/.installed-dev ## the tests (set NUSCENES_DATAROOT to v1.0-mini, NUSCENES_TRAINVAL_DATAROOT to v1.0-trainval for those on real data)
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-slow: $(VENV)/.installed-dev ## the longer checks
	$(BIN)/python -m pytest $(IN_PARALLEL) -m slow --timeout 1800

paper: $(VENV)/.installed ## the CAB paper's tables from nuScenes trainval: make paper DATAROOT=DIR [PAPER='--models gain query']
	@test -n "$(DATAROOT)" || { echo "say where nuScenes lies: make paper DATAROOT=DIR" >&2; exit 2; }
	$(BIN)/python benchmarks/paper.py --dataroot "$(DATAROOT)" $(PAPER)

before-after: $(VENV)/.installed-dev ## figures and speed against an older checkout: make before-after OLD=DIR
	@test -n "$(OLD)" || { echo "say which checkout to compare with: make before-after OLD=DIR" >&2; exit 2; }
	$(BIN)/python benchmarks/before_after.py --before "$(OLD)" --after .
	$(BIN)/python benchmarks/before_after_speed.py --before "$(OLD)" --after .

lint: $(VENV)/.installed-dev ## ruff, mypy --strict, import-linter, sizes and circles of files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/house.py

docs: $(VENV)/.installed-docs ## the documentation, strictly: out/site
	$(BIN)/zensical build --strict --clean --config-file mkdocs.yml

dist: $(VENV)/.installed-dev ## wheel and sdist, in dist/
	VENV="$(VENV)" bash .ci/dist.sh

journey: ## install the wheel of dist/ into an empty environment; from a town to pictures with it
	PYTHON="$(PYTHON)" TORCH="$(TORCH)" bash .ci/journey.sh

test-numpy2: ## the quick tests on NumPy 2 without nuscenes-devkit, in .venv-numpy2
	PYTHON="$(PYTHON)" TORCH="$(TORCH)" bash .ci/test_numpy2.sh $(IN_PARALLEL)

clean: ## remove what was built (keeps the environments)
	rm -rf build dist *.egg-info out
