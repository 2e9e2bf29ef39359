# What people type. `make up` and `make test` work on a fresh machine with Python 3.11 to 3.13 alone.
PYTHON ?= $(shell scripts/find-python)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: check
check: ## lint, format, types, import rules, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -x -m "not (system or client or browser or fault or slow or database)"
