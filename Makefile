# Every target that a person types has a `##` sentence; `make help` prints them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# own: a Kubernetes made on this machine. existing: the one your KUBECONFIG names, see docs/existing-cluster.md.
CLUSTER ?= own
export CLUSTER IMAGE_PREFIX LOAD PYTHON

UV := build/uv/bin/uv
BIN := .venv/bin
SYNCED := .venv/.synced

##@ Using it
.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

.PHONY: up
up: ## Make a cluster, install Octans with three machines, and show what it does
	@demo/up

.PHONY: down
down: ## Remove everything that `make up` made
	@demo/down

.PHONY: env
env: ## Print `export NAME=value` lines to use the running demo: eval "$(make env)"
	@demo/env

.PHONY: story
story: ## Show again what `make up` ends with
	@demo/story

##@ Working on it
.PHONY: test
test: check ## Checks, unit tests, tests on a cluster of their own, today's faults; coverage
	@scripts/test

.PHONY: check
check: $(SYNCED) ## Format, lint, types, import rules, the chart and the shell scripts
	@scripts/check

.PHONY: unit
unit: $(SYNCED) ## Unit tests only: seconds, no cluster
	@$(BIN)/python -m pytest tests/unit

.PHONY: format
format: $(SYNCED) ## Put the code into form
	@$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: crd
crd: ## Copy crds/ansibletask.yaml, the single source, into the chart
	@cp crds/ansibletask.yaml charts/octans/files/ansibletask.yaml

.PHONY: reference
reference: $(SYNCED) ## Make docs/settings.md and docs/reasons.md from the code
	@$(BIN)/python -m scripts.reference

.PHONY: images
images: ## Build the images; their names are printed
	@scripts/images build

.PHONY: bench
bench: $(SYNCED) ## Measure what this installation adds to a bare Job (takes the demo's cluster)
	@env=$$(demo/env)
	eval "$$env"
	$(BIN)/python -m bench

.PHONY: bench-front
bench-front: $(SYNCED) ## Measure the HTTP front alone: rates, latencies, many stored tasks
	@env=$$(demo/env)
	eval "$$env"
	$(BIN)/python -m bench.front

.PHONY: burst
burst: $(SYNCED) ## Sixty requests at once on a node that holds fifteen runners: all must end well
	@scripts/test tests/cluster/test_burst.py -m burst -rP

.PHONY: faults
faults: $(SYNCED) ## Break everything in turn while tasks run, not only today's part: an hour
	@scripts/test tests/faults -m faults -rP

.PHONY: outcomes
outcomes: $(SYNCED) ## 500 random playbooks: how hosts are said to have ended, against what really happened
	@OCTANS_TEST_PLAYBOOKS=$${OCTANS_TEST_PLAYBOOKS:-500} $(BIN)/python -m pytest tests/cluster/runner/test_random_playbooks.py -rP

.PHONY: lock
lock: $(UV) ## Make requirements/*.txt, the lock files with hashes, from pyproject.toml
	@scripts/lock $(UV)

.PHONY: clean
clean: ## Remove what was built in this folder; clusters and their cache stay
	@rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis .coverage .coverage.*

# The tool that makes the environment has one of its own, so that .venv holds what the lock file says.
$(UV): requirements/uv.txt
	@scripts/venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

$(SYNCED): requirements/dev.txt $(UV)
	@test -x $(BIN)/python || scripts/venv .venv
	VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements/dev.txt
	touch $@
