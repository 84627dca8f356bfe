# make demo: set up and run the whole pipeline on the packaged sample.
# make test: set up and run every test.   PYTHON=python3.12 make test: with another Python.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test test-fast lint bench clean

demo: $(READY)
	$(BIN)/paddle-electra demo

test: $(READY)
	$(BIN)/python -m pytest

test-fast: $(READY)
	$(BIN)/python -m pytest -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(READY)
	$(BIN)/python benchmarks/speed_data.py

clean:
	rm -rf build *.egg-info demo_output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

# The environment is made only when it is missing; delete $(VENV) to make it afresh.
$(READY):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cpu,hub,dev]"
	touch $(READY)
