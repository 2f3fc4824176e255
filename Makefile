# What one can do here; `make` alone lists it. STACK and the ports may come from the environment.
# `up` takes STACK=local, kafka or compose, `test` the first two; BROKERS=3 and ORCHESTRATORS=2 (docs/stacks.md); the rest
# acts on the stack that is up.
STACK ?= local
export STACK
BIN   := .venv/bin
VENV  := .venv/.ready
LOCAL := $(BIN)/python -m local_stack
tests := tests/unit tests/contracts tests/integration tests/e2e

.DEFAULT_GOAL := help
.PHONY: help up down status logs redeploy release demo test check lint bench faults fuzz asyncapi generate format

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

release: $(VENV) ## Test, build and deploy one service, and back if it does not become ready: service=X (docs/deploying.md)
	@$(LOCAL) release $(or $(service),$(error say which: make release service=X)) $(if $(environment),--environment $(environment))

demo: $(VENV) ## Send examples/leads.csv and watch every lead come through
	@$(LOCAL) demo

test: $(VENV) ## Run the unit, contract, integration and end-to-end tests; tests="…" for some of them
	$(BIN)/pytest $(tests)

check: lint ## What lint checks, and the unit and contract tests
	$(BIN)/pytest tests/unit tests/contracts

lint: $(VENV) ## Format, lint, types, import rules, contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/signalbox contracts lint
	$(BIN)/signalbox contracts generate --check
	$(BIN)/python -m compose_stack.dockerfiles --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec infra/compose/compose.yaml

bench: $(VENV) ## Measure
	$(BIN)/pytest -s tests/bench

faults: $(VENV) ## Let everything fail and check that nothing is lost: leads=N seed=N faults=… short=1
	@$(BIN)/python tests/faults/run.py $(if $(leads),--leads $(leads)) $(if $(seed),--seed $(seed)) \
		$(if $(faults),--faults $(faults)) $(if $(rounds),--rounds $(rounds)) $(if $(short),--short)

fuzz: $(VENV) ## Throw mutated messages, pages, mails and answers at what reads them
	$(BIN)/python tests/fuzz/gate_fuzz.py --count 1000000
	$(BIN)/python tests/fuzz/mail_fuzz.py --count 100000
	$(BIN)/python tests/fuzz/page_fuzz.py --count 100000
	$(BIN)/python tests/fuzz/stage_fuzz.py --count 20000
	$(BIN)/python tests/fuzz/protocol_fuzz.py --count 5000

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
