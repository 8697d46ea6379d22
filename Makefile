# `make repro` and `make test` set everything up on their own, in .venv and nowhere else.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export MLFLOW_DISABLE_TELEMETRY = true
# Stages and tests start many programs. Without bytecode, each of them would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: repro test test-slow test-services check lint docs ui setup browser pictures audit pins help
.DEFAULT_GOAL := help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

repro: setup ## data → clips → faces → flow → every model → report
	@.venv/bin/microfacial repro

test: setup ## quick tests, on all cores; COVERAGE=1 measures the share of lines that they run
	@.venv/bin/python -m pytest --numprocesses auto --dist worksteal $(if $(COVERAGE),--cov)

test-slow: browser ## tests that kill, clone, look, or run everything
	@.venv/bin/python -m pytest -m slow --numprocesses auto --dist worksteal

test-services: setup ## a team on PostgreSQL and an S3-compatible store; needs PostgreSQL of the system
	@.venv/bin/python -m pytest -m services tests/slow/test_services.py

lint: setup ## lint, format, types, import layers, dvc.lock
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/python tests/check_lock.py

check: lint ## lint, and the quick tests with their coverage
	@$(MAKE) --no-print-directory test COVERAGE=1

docs: setup ## the documentation, with its notebooks, into docs/_build/html
	@.venv/bin/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs docs/_build/html
	@.venv/bin/python tools/check_site.py docs/_build/html

ui: setup ## open MLflow on the runs
	@.venv/bin/microfacial ui

pictures: browser ## the README's pictures, of the demo as it is built, into docs/
	@.venv/bin/python tools/draw_pictures.py

audit: setup ## licences and known vulnerabilities of all pins; needs the network
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && \
		.venv-audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3' 'pip-licenses>=5,<6'; }
	@.venv-audit/bin/pip-licenses --python .venv/bin/python --with-system --order license
	@.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off

pins: ## constraints.txt from the newest releases that pyproject.toml permits, then the quick tests; needs the network
	@test -n "$(PYTHON)" || { echo "no Python found. Install Python 3.11, 3.12 or 3.13, or name it: make PYTHON=…" >&2; exit 2; }
	@$(PYTHON) -m venv --clear .venv-pins
	@.venv-pins/bin/python -m pip install --quiet --extra-index-url https://download.pytorch.org/whl/cpu '.[dev]'
	@.venv-pins/bin/python tools/write_pins.py
	@rm -rf .venv-pins
	@$(MAKE) --no-print-directory test

browser: setup ## a Chromium for tests of the report: installs it as root on Debian, or says what to do
	@.venv/bin/python tools/chromium.py

setup: .venv/installed ## install everything into .venv

.venv/installed: constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python found. Install Python 3.11, 3.12 or 3.13, or name it: make PYTHON=…" >&2; exit 2; }
	@echo "setting up .venv (a few minutes the first time)"
	@$(PYTHON) -m venv .venv
	@! .venv/bin/python -m pip show --quiet opencv-python 2>/dev/null || \
		.venv/bin/python -m pip uninstall --quiet --yes opencv-python opencv-python-headless  # both own the folder cv2
	@.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
