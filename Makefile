# Needs Python 3.11 or newer with venv, and make; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types check clean

demo: $(STAMP)  ## the main job: serve, check, record, replay, verify (no key, no network)
	$(BIN)/pollux demo

test: check  ## everything that must hold before a change lands
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: lint types

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks
	$(BIN)/pyright --pythonpath $(BIN)/python

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Pollux needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .tox build dist pollux-demo pollux-data
