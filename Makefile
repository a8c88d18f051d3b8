# Everything a developer runs. The two a newcomer needs: `make demo` and `make test`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
SOAK_FAULTS ?= 3000
.PHONY: help demo test check bench soak stubs golden tables lock wheels env devenv clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	2>/dev/null && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
DISTS := rules proto agent controller
PACKAGES := scan formats cli v1 wire policy agent controller
EDITABLE := $(foreach d,$(DISTS),-e ./$(d))

help: ## say what there is to run
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Lockgate needs Python 3.11, 3.12 or 3.13 with venv" \
		"(Debian: apt-get install python3-venv), or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "making the environment in $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python requirements/run.txt $(DISTS:%=%/pyproject.toml) \
		rules/hatch_build.py $(wildcard rules/lockgate/scan/native/*.c)
	@echo "installing what Lockgate needs (hash-locked)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "installing what the tests need (hash-locked)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.corpus: $(VENV)/.dev requirements/corpus.txt
	@echo "installing what the whole corpus needs (hash-locked)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/corpus.txt
	@touch $@

$(VENV)/.peers: $(BIN)/python requirements/peers.txt
	@echo "installing the key finders of others (hash-locked)"
	@$(PYTHON) -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install -q --disable-pip-version-check --require-hashes \
		-r requirements/peers.txt
	@touch $@

env: $(VENV)/.run ## make the environment that runs Lockgate

devenv: $(VENV)/.dev ## make the environment that tests it

demo: $(VENV)/.run ## replay the incident with real parts (root: blocks; else: scans and reports)
	@$(BIN)/python tests/incident/demo.py

test: $(VENV)/.dev ## run every test that this machine can run
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## lint, types, layers, fresh stubs and tables
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(PACKAGES:%=-p lockgate.%)
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -p no:randomly tests/v1 tests/repository

bench: $(VENV)/.corpus $(VENV)/.peers ## measure, and write the table into the README
	@PATH="$(abspath $(VENV)/peers/bin):$$PATH" $(BIN)/python tests/bench/run.py --write README.md $(ARGS)

soak: $(VENV)/.corpus ## hours: storms, more faults, longer races (SOAK_FAULTS=N)
	@$(BIN)/python -m pytest -m soak $(ARGS)
	@$(BIN)/python tests/chaos/chaos.py --faults $(SOAK_FAULTS)
	@LOCKGATE_BENCH_RECORDED=10000000 $(BIN)/python tests/bench/run.py --only recorded

stubs: $(VENV)/.dev ## generate the protobuf stubs again
	@PATH="$(abspath $(BIN)):$$PATH" proto/generate

golden: $(VENV)/.run ## keep golden messages of this version, before it is released
	@$(BIN)/python tests/wire/golden.py

tables: $(VENV)/.run ## write docs/tables.md and the states of docs/releases.md from the code
	@$(BIN)/python tests/repository/tables.py docs

lock: $(VENV)/.dev ## choose new versions and write the hash-locked requirements
	@for n in run dev corpus peers; do $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" requirements/$$n.in -o requirements/$$n.txt; done

wheels: $(VENV)/.dev ## build the four wheels into dist/
	@for d in $(DISTS); do $(BIN)/python -m build -q --wheel --no-isolation --outdir dist $$d; done

clean: ## remove the environment and everything built
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
