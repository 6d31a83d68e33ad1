# Two commands do everything on a machine with Python 3.11 or newer: make demo, make test
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo demo-chest test slow lint format benchmarks clean

demo: $(INSTALLED)
	rm -rf demo
	$(BIN)/gaze-insight demo --out demo

demo-chest: $(INSTALLED)
	rm -rf demo-chest
	$(BIN)/gaze-insight demo chest-xray --out demo-chest

test: $(INSTALLED)
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(INSTALLED)
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/dense_crf.py

clean:
	rm -rf demo demo-chest build .coverage .pytest_cache .ruff_cache .mypy_cache

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "expected Python 3.11 or newer, found " + sys.version.split()[0] + "; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
