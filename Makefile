# Everything a stranger needs: `make demo`, `make test`. Both set up a virtual environment
# in .venv first; the others are for those who work on pith.

PYTHON ?= python3
BIN := .venv/bin

.DELETE_ON_ERROR:
.PHONY: demo test check bench format clean

demo: .venv/installed
	@$(BIN)/pith demo

test: .venv/installed-test
	@$(BIN)/python -m pytest

check: .venv/installed-test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: .venv/installed-test
	@$(BIN)/python -m benchmarks

format: .venv/installed-test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pith needs Python 3.11 or newer; set PYTHON=")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: pyproject.toml .venv/bin/python
	@echo "installing pith in .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-test: pyproject.toml .venv/bin/python
	@echo "installing pith and what its tests need in .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .coverage
