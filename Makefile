# What people type. `make up` and `make test` work on a fresh machine with Python 3.11 to 3.13 alone.
PYTHON ?= $(shell scripts/find-python)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PYTHONDONTWRITEBYTECODE := # compiled once and kept: without the caches a start costs twice the CPU time

.PHONY: up build test check bench soak lock help clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: build ## build, start everything, print the console address and the first password
	@exec $(BIN)/dxops up $(ARGS)

build: $(VENV)/.built console ## environment and console assets; starts nothing

$(VENV)/.built: requirements/build.txt pyproject.toml scripts/make-venv
	@scripts/make-venv "$(PYTHON)" $(VENV) requirements/build.txt
	@touch $@

$(VENV)/.tested: requirements/dev.txt pyproject.toml scripts/make-venv
	@scripts/make-venv "$(PYTHON)" $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.built

.PHONY: console
console: $(VENV)/.built
	@$(BIN)/python scripts/build-console

test: $(VENV)/.tested console ## everything the tests need, then all tests
	scripts/test

$(BIN)/ruff: # a fresh clone
	@$(MAKE) $(VENV)/.tested console

check: $(BIN)/ruff ## lint, format, types, import rules, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	PYTHONHASHSEED=0 $(BIN)/python -m pytest -q -x -n 2 -p no:faker --hypothesis-profile quick --ignore tests/acceptance --ignore tests/faults -m "not (system or client or browser or fault or slow or database or engine)"

bench: $(VENV)/.tested console ## benchmarks beside their peers, as a table and as JSON
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.tested console ## the long forms of tests
	$(BIN)/python -m pytest -m slow $(ARGS)

lock: ## renew the hashed requirement files from pyproject.toml
	scripts/lock $(ARGS)

clean: ## remove what build and test made, but not data
	rm -rf $(VENV) dxops/console/static/built dxops/console/frontend/node_modules
