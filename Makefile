# Needs Python 3.11 to 3.13, pip and make. Everything else is installed into .venv-* on first use, at locked versions.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:

PYTHON ?= python3
# pytest workers; two more than the two cores the suite is tuned for, as many tests wait for a server or a scheduler
WORKERS ?= 4
# more arguments for pytest, such as ARGS="-k window"
ARGS ?=

# the newest Airflow of both lines, and one with the dependencies of a deployment that was never upgraded
LINES := 3.3 2.11 2.11.0
AIRFLOW_3.3 := 3.3.2
AIRFLOW_2.11 := 2.11.2
AIRFLOW_2.11.0 := 2.11.0
EXTRAS_3.3 := dev
EXTRAS_2.11 := sandbox,postgres,test
EXTRAS_2.11.0 := sandbox,postgres,test

BIN := .venv-3.3/bin
# tests of what has nothing to do with the version of Airflow run on the newest only
ONCE := tests/bench tests/demo tests/docs tests/faults tests/sandbox tests/systems/infor/test_payments.py tests/test_compose.py
# tests of what knows no Airflow; on the line in between they tell nothing more
PURE := tests/contracts tests/convergence tests/core tests/flow tests/flows tests/gates tests/mapping tests/pipeline tests/runtime \
  tests/stores tests/systems tests/odd/test_answers.py tests/odd/test_parsers.py tests/odd/test_records.py tests/odd/test_streams.py
# tests of what stands on other people's packages, for the oldest of them; of systems those of HTTP and of clients
OLDEST := tests/airflow tests/flows/test_golden.py tests/gates tests/hooks tests/mapping tests/stores tests/systems/http \
  $(wildcard tests/systems/*.py tests/systems/*/test_client*.py tests/systems/*/test_auth.py) tests/systems/salesforce/test_sink.py
PYTEST := -p no:cacheprovider -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q
# clients that others wrote, to prove the sandbox; jsforce where there is npm
CLIENTS := .venv-inforion/.ready $(if $(shell command -v npm),tests/sandbox/jsforce/node_modules/.package-lock.json)

.DEFAULT_GOAL := help
.PHONY: help demo up test test-fast $(LINES:%=test-%) faults soak fuzz check audit docs bench lock locked clean env

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv-3.3/.ready ## Run all flows on Airflow 3.3.2 against the sandbox, and check the outcome
	@$(BIN)/python -m demo

up: .venv-3.3/.ready ## Start the sandbox and Airflow with its UI on this machine; Ctrl-C ends both
	@$(BIN)/python -m demo.up

test: $(LINES:%=test-%) ## Run all tests on both Airflow lines, and on the oldest dependencies

test-3.3: .venv-3.3/.ready $(CLIENTS)
	$(BIN)/python -m pytest $(PYTEST) $(ARGS)

test-2.11: .venv-2.11/.ready
	.venv-2.11/bin/python -m pytest $(PYTEST) $(addprefix --ignore=,$(ONCE) $(PURE)) $(ARGS)

test-2.11.0: .venv-2.11.0/.ready
	.venv-2.11.0/bin/python -m pytest $(PYTEST) $(OLDEST) -m "not (system or slow)" $(ARGS)

test-fast: .venv-3.3/.ready ## Run the quick tests only, on Airflow 3.3.2, without those of sandbox, demo and docs
	$(BIN)/python -m pytest $(PYTEST) $(addprefix --ignore=,$(ONCE)) -m "not (system or benchmark or slow)" $(ARGS)

faults: .venv-3.3/.ready ## Try every fault with every flow, and write what held into docs/faults.md
	$(BIN)/python -m pytest $(PYTEST) tests/faults tests/system/test_long_outage.py --sync-profile=long --sync-report=docs/faults.md $(ARGS)

soak: .venv-3.3/.ready ## Try 1,000,000 odd inputs of each kind, and 20,000 steps of people and runs, for hours
	HYPOTHESIS_PROFILE=long nice -n 15 $(BIN)/python -m pytest -p no:cacheprovider -n $(WORKERS) -v tests/odd tests/convergence $(ARGS)

# inputs of each parser for make fuzz, and which parsers; all of them if empty
RUNS ?= 1000000
PARSERS ?=

fuzz: .venv-3.3/.ready .venv-fuzz/.ready ## Try parsers with bytes that atheris finds by the branches they reach, for hours (Linux)
	PYTHONPATH=$(CURDIR):.venv-fuzz nice -n 15 $(BIN)/python -m tests.odd.fuzz $(RUNS) $(PARSERS)

check: .venv-3.3/.ready ## Lint, types, layers, dependencies, flow files and their schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry airflow_provider_brightpearl
	$(MAKE) docs
	$(BIN)/brightpearl mapping check include/mappings/*.yaml include/mappings/variants/*.yaml
	$(BIN)/brightpearl mapping schema | diff - include/mappings/flow.schema.json

# asks PyPI what is known of each locked version; of one that it does not know, strict makes a failure
audit: .venv-uv/.ready ## Look for known vulnerabilities in the locked dependencies
	$(foreach line,$(LINES),.venv-uv/bin/uv tool run pip-audit --strict --disable-pip --require-hashes --requirement requirements/airflow-$(line).txt &&) true

docs: .venv-3.3/.ready ## Build the documentation as a site, into build/docs/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/docs/doctrees docs build/docs/html

bench: .venv-3.3/.ready ## Measure time, memory and API calls
	$(BIN)/python benchmarks/run.py $(ARGS)

lock: .venv-uv/.ready ## Choose the newest versions of all dependencies, for each Airflow line
	$(foreach line,$(LINES),$(call compile,$(line),requirements,--upgrade))

# versions and hashes that are locked stay, so what differs is due to pyproject.toml
locked: .venv-uv/.ready ## Check that the locked versions are what pyproject.toml asks for
	mkdir -p build/locked
	cp $(LINES:%=requirements/airflow-%.txt) build/locked
	$(foreach line,$(LINES),$(call compile,$(line),build/locked))
	$(foreach line,$(LINES),diff requirements/airflow-$(line).txt build/locked/airflow-$(line).txt &&) true

# no address of an index and none of this machine's settings in what is committed
define compile
printf 'apache-airflow==%s\n' '$(AIRFLOW_$(1))' \
| .venv-uv/bin/uv pip compile --quiet $(3) --generate-hashes --python-version 3.11 \
  --no-emit-index-url --no-annotate --no-header \
  $(foreach extra,$(subst $(comma), ,$(EXTRAS_$(1))),--extra $(extra)) \
  $(if $(wildcard tests/constraints-$(1).txt),--constraint tests/constraints-$(1).txt) \
  --constraint - pyproject.toml --output-file $(2)/airflow-$(1).txt

endef
comma := ,

clean: ## Remove environments and everything that was built
	rm -rf .venv-uv .venv-fuzz .venv-inforion tests/sandbox/jsforce/node_modules $(LINES:%=.venv-%) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env: $(LINES:%=.venv-%/.ready) ## Install all environments

.venv-fuzz/.ready: requirements/fuzz.txt .venv-3.3/.ready
	.venv-uv/bin/uv pip install --quiet --require-hashes --python $(BIN)/python --target .venv-fuzz --requirement requirements/fuzz.txt
	@touch $@

.venv-inforion/.ready: requirements/inforion.txt .venv-uv/.ready
	.venv-uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv-inforion
	.venv-uv/bin/uv pip install --quiet --no-deps --require-hashes --python .venv-inforion/bin/python --requirement requirements/inforion.txt
	@touch $@

tests/sandbox/jsforce/node_modules/.package-lock.json: tests/sandbox/jsforce/package-lock.json
	npm ci --prefix tests/sandbox/jsforce --no-audit --no-fund --ignore-scripts
	@touch $@

.venv-uv/.ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv --clear .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@touch $@

# compiled at once: an Airflow that has to compile takes twice as long for every task
.venv-%/.ready: requirements/airflow-%.txt pyproject.toml .venv-uv/.ready
	.venv-uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv-$*
	.venv-uv/bin/uv pip sync --quiet --require-hashes --compile-bytecode --python .venv-$*/bin/python requirements/airflow-$*.txt
	.venv-uv/bin/uv pip install --quiet --no-deps --python .venv-$*/bin/python --editable .
	@touch $@
