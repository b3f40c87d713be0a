# `make quickstart` and `make test` each set up all they need in .venv, with the versions of constraints.txt.
PYTHON ?= python3
STORE ?= quickstart
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test docs chaos format clean

quickstart: $(VENV)/installed
	$(BIN)/calibsweep run quickstart --store $(STORE)

# Files of tests that run beside each other: Ray waits as often as it works.
WORKERS ?= 2
# Tests start hundreds of processes: without this, each compiles all of our source again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	# Types are checked while tests wait for Ray.
	$(BIN)/mypy & types=$$!; $(BIN)/pytest -n $(WORKERS); tests=$$?; \
		wait $$types || { echo 'mypy failed: its findings are above the tests'; exit 1; }; exit $$tests

# The documentation site, in site/. Any warning is an error.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/installed-docs
	$(BIN)/mkdocs build --strict

# Kills at random, for so long, drawn from this seed.
SECONDS ?= 600
SEED ?= 0
chaos: $(VENV)/installed-dev
	CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) $(BIN)/pytest -s tests/chaos

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "calibsweep needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

# Tests import a part of all this: only that is compiled, on import.
$(VENV)/installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/installed $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@
