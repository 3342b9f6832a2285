# Everything a person needs from here: make lab, make test, make check.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help lab test check bench lint format typecheck imports pytest clean

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

lab: $(VENV)/installed  ## set up everything and open the lab
	@$(BIN)/seqlab lab

test: lint typecheck imports pytest  ## set up everything and pass the tests

check: $(VENV)/developed  ## the long forms: every preset on 10 seeds, full sweeps
	$(BIN)/python -m pytest -m long -s

lint: $(VENV)/developed  ## format and lint, changing nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check

format: $(VENV)/developed  ## format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: $(VENV)/developed
	$(BIN)/mypy

imports: $(VENV)/developed  ## imports run one way
	$(BIN)/lint-imports

pytest: $(VENV)/developed
	$(BIN)/python -m pytest -m "not long" -n 3 --dist worksteal

# The pinned versions are those the tests pass with; the lower bounds in pyproject.toml are what is needed.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

bench: $(VENV)/developed  ## beside PyTorch and JAX, most of an hour: writes benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.threads
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.recording
	$(BIN)/python -m benchmarks.cells

clean:  ## remove what was set up here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
