# make demo: the main job for real.  make test: the whole suite.  Both set themselves up on first use.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
AGENT ?= rehearsal

.PHONY: demo test check fix test-real test-chaos bench soak docs screenshots release-check lock clean

demo: .venv/run.stamp
	$(BIN)/agent-server demo --agent $(AGENT)

test: .venv/dev.stamp
	$(BIN)/python -m pytest

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .

fix: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-real: .venv/dev.stamp
	$(BIN)/python -m pytest tests/real

test-chaos: .venv/dev.stamp
	$(BIN)/python -m pytest tests/chaos

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks $(BENCH)

soak: .venv/dev.stamp
	$(BIN)/python -m benchmarks.soak

docs: .venv/dev.stamp
	$(BIN)/python -m docs.generate

screenshots: .venv/dev.stamp
	UPDATE_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser

release-check: .venv/dev.stamp
	$(BIN)/python -m pytest tests/release tests/integration/test_release.py

lock: .venv/dev.stamp
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group pyproject.toml:build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group pyproject.toml:build --group pyproject.toml:dev pyproject.toml -o requirements-dev.txt

clean:
	rm -rf .venv

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer with venv is needed: brew install python, or apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python requirements.txt pyproject.toml
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	$(PIP) --require-hashes -r requirements-dev.txt
	touch $@
