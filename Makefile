# make demo: set up and show what the shipped model does.   make pipeline: all of it, from raw text.
# make test: set up and run every test.   PYTHON=python3.12 make test: with another Python.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
# A process a core, each with one thread; the tests of a file stay together for their fixtures.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo pipeline test test-fast lint bench frameworks clean same-python

demo: $(READY) same-python
	$(BIN)/paddle-electra demo

pipeline: $(READY) same-python
	$(BIN)/paddle-electra demo --pipeline --output pipeline_output

test: $(READY) same-python
	$(PYTEST)

test-fast: $(READY)
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What the tests marked `bench` compare with: torch, transformers and others.
frameworks: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -c "import torch, transformers"

bench: $(READY)
	$(BIN)/python benchmarks/speed_data.py

clean:
	rm -rf build *.egg-info demo_output pipeline_output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

# With a PYTHON named and another one's environment in place, testing that one would mislead.
same-python: $(READY)
ifneq ($(origin PYTHON),file)
	@asked=$$($(PYTHON) -c 'import sys; print(*sys.version_info[:2])') && \
	found=$$($(BIN)/python -c 'import sys; print(*sys.version_info[:2])') && \
	if [ "$$asked" != "$$found" ]; then \
	    echo "$(VENV) is of another Python than $(PYTHON): name another, e.g. VENV=.venv-other" >&2; \
	    exit 2; \
	fi
endif

# The environment is made only when it is missing; delete $(VENV) to make it afresh.
$(READY):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cpu,hub,dev]"
	touch $(READY)
