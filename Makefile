# Everything starts here: `make run`, `make demo`, `make test`. Each sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= $(shell ./.ci/python)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKED := --require-hashes --no-deps --only-binary :all:
PIP := $(BIN)/python -m pip install --disable-pip-version-check $(LOCKED)

# A file stays in one process, and the long ones come first. More at a time than there are cores take
# longer: much of the work is starting processes.
PARALLEL ?= -n $(shell nproc) --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: setup
setup: $(READY) ## Make the virtual environment with locked, hash-checked dependencies

$(READY): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)"
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (half a minute, once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' requirements-dev.lock > $(VENV)/uv.lock
	@$(PIP) --quiet -r $(VENV)/uv.lock
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(LOCKED) -r requirements-dev.lock || { \
	    echo "uv could not; pip does it (a minute or two) ..."; $(PIP) --progress-bar off \
	    -r requirements-dev.lock | sed -un 's/^Collecting /  /p'; }
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation \
	    --quiet --editable .
	@$(BIN)/python -m pip check
	@touch $@

.PHONY: run
run: $(READY) ## Start the gateway on http://127.0.0.1:8080 (Ctrl+C stops it)
	@exec $(BIN)/wa-api serve

.PHONY: demo
demo: $(READY) ## Link two sandbox numbers and let them talk; no phone, no internet
	@exec $(BIN)/wa-api demo

.PHONY: test
test: $(READY) ## Run all tests: unit, contract and end to end (real processes, real engine)
	@$(BIN)/python -m pytest $(PARALLEL)

.PHONY: chaos
chaos: $(READY) ## Faults under traffic, real processes (CHAOS="--minutes 30 --seed 7"; see docs/reliability.md)
	@$(BIN)/python -m tests.chaos $(CHAOS)

.PHONY: lint
lint: $(READY) ## Style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: check
check: lint test external ## Everything that CI checks on one interpreter

.PHONY: external
external: $(READY) ## Whole gateways on PostgreSQL and an external Redis, where they answer
	@.ci/external $(BIN)/python -m pytest -q tests/e2e/gateway/test_any_worker.py

.PHONY: bench
bench: $(READY) ## Measure: bus, store, traffic beside a bare engine, pace, sessions, fan-out beside Node, webhooks
	@for name in bus store media traffic pacing fleet fanout webhooks; do \
	    echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name; \
	done

.PHONY: docs
docs: $(READY) ## Write the generated documentation anew
	@$(BIN)/python -m config.reference > docs/settings.md
	@$(BIN)/python -m tests.features > docs/features.md

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew into the lock files
	@for extra in "" dev; do \
	    $(BIN)/uv pip compile pyproject.toml $${extra:+--extra $$extra} --quiet --upgrade \
	        --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	        --no-emit-index-url --no-emit-find-links \
	        --output-file requirements$${extra:+-$$extra}.lock; \
	done

.PHONY: clean
clean: ## Remove the virtual environment and caches (never the data directory)
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
