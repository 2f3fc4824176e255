# What one can do here; `make` alone lists it. STACK and the ports may come from the environment.
# `up` and `test` take STACK=local or STACK=kafka (docs/stacks.md); the rest acts on the stack that is up.
STACK ?= local
export STACK
BIN   := .venv/bin
VENV  := .venv/.ready
LOCAL := $(BIN)/python -m local_stack

.DEFAULT_GOAL := help
.PHONY: help up down status logs redeploy demo test check bench fuzz asyncapi generate format

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

up: $(VENV) ## Start everything and wait until it is ready
	@$(LOCAL) up

down: $(VENV) ## Stop everything
	@$(LOCAL) down

status: $(VENV) ## Show each process, its address and whether it is ready
	@$(LOCAL) status

logs: $(VENV) ## Show logs: service=X for one service, follow=1 to go on
	@$(LOCAL) logs $(service) $(if $(follow),--follow)

redeploy: $(VENV) ## Restart one service alone: service=X
	@$(LOCAL) redeploy $(or $(service),$(error say which: make redeploy service=X, with a name that `make status` prints))

demo: $(VENV) ## Send examples/leads.csv and watch every lead come through
	@$(LOCAL) demo

test: $(VENV) ## Run the unit, contract, integration and end-to-end tests
	$(BIN)/pytest tests/unit tests/contracts tests/integration tests/e2e

check: $(VENV) ## Format, lint, types, import rules, contracts, unit and contract tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/signalbox contracts lint
	$(BIN)/signalbox contracts generate --check
	$(BIN)/pytest tests/unit tests/contracts

bench: $(VENV) ## Measure
	$(BIN)/pytest -s tests/bench

fuzz: $(VENV) ## Throw mutated messages at the gate
	$(BIN)/python tests/fuzz/gate_fuzz.py --count 1000000

asyncapi: $(VENV) ## Hold the AsyncAPI document against AsyncAPI's own parser (needs node and npm)
	@npm install --silent --prefix tests/contracts/asyncapi_parser
	@$(BIN)/signalbox contracts asyncapi --out build/asyncapi.yaml
	@node tests/contracts/asyncapi_parser/validate.mjs build/asyncapi.yaml

generate: $(VENV) ## Generate models and schemas from the contracts
	$(BIN)/signalbox contracts generate

format: $(VENV) ## Format the code, and mend what the linter can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

$(VENV): constraints.txt pyproject.toml infra/local/venv.sh $(wildcard */pyproject.toml */*/pyproject.toml */*/*/pyproject.toml)
	@infra/local/venv.sh
	@touch $@
