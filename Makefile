# Boothline. `make help` lists the commands; `make demo` and `make test` need nothing but python3, python3-venv and make.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PY := .venv/bin/python
READY := .venv/.ready
# Tests wait more than they compute: three at a time keep two cores busy.
JOBS ?= 3
# The launcher dies with make, and everything that it starts dies with the launcher.
LAUNCH := exec $(PY) -I -S stack/leash.py $$PPID 15 -1 $(PY) -m stack

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.lock stack/setup.sh
	@sh stack/setup.sh

.PHONY: setup
setup: $(READY) ## install the packages of requirements.lock into .venv

.PHONY: demo
demo: $(READY) ## start everything and let simulated workers confirm 60 appointments (ONCE=1: then stop; KAFKA=host:port)
	@$(LAUNCH) demo $(if $(ONCE),--once) $(if $(KAFKA),--kafka '$(KAFKA)') $(if $(KAFKA_WIPE),--wipe-topics)

.PHONY: up
up: $(READY) ## the same without simulated workers (EMPTY=1: and without the made-up district)
	@$(LAUNCH) up $(if $(EMPTY),--empty) $(if $(KAFKA),--kafka '$(KAFKA)') $(if $(KAFKA_WIPE),--wipe-topics)

.PHONY: kafka
kafka: $(READY) ## run Apache Kafka on loopback until Ctrl-C: one empty node for KAFKA=host:port (needs Java and Maven)
	@$(LAUNCH) kafka

.PHONY: chaos
chaos: $(READY) ## kill everything while people confirm, then audit (APPOINTMENTS=300 SEED=1 KILLS=24 APACHE=1: its nodes as well)
	@$(LAUNCH) chaos --appointments $(or $(APPOINTMENTS),300) --seed $(or $(SEED),1) --kills $(or $(KILLS),24) \
		$(if $(APACHE),--apache)

.PHONY: drill
drill: $(READY) ## import a state, let people answer, audit (SCALE=0.01 ANSWERS=0.25 APACHE=1: needed from 0.1 on)
	@$(LAUNCH) drill --scale $(or $(SCALE),0.01) --answers $(or $(ANSWERS),0.25) $(if $(APACHE),--apache)

.PHONY: sign-in
sign-in: $(READY) ## print another one-time link to the portal of what is running
	@$(PY) -m stack sign-in

.PHONY: test
test: $(READY) ## the default test suite, 7 minutes on two cores (ARGS="-k word": only some)
	@$(PY) -m pytest -m "not slow" -n $(JOBS) --dist loadscope $(ARGS)

# On Apache Kafka: what is about the stream, and the main job.
ON_KAFKA := tests/contract/bus tests/integration/bus $(wildcard tests/integration/kafka tests/integration/security) \
	tests/integration/deploy/test_secure_kafka.py tests/e2e/test_main_job.py tests/e2e/test_kill.py

.PHONY: test-kafka
test-kafka: $(READY) ## the tests of the stream and of the main job on Apache Kafka (needs Java and Maven)
	@$(PY) -c "from stack.kafka import prepared; prepared()" # not within the time-out of whichever test is the first
	@TEST_KAFKA_SERVER=apache $(PY) -m pytest $(ON_KAFKA) -m "kafka or not slow" -n $(JOBS) --dist loadscope $(ARGS)

.PHONY: test-slow
test-slow: $(READY) ## kills, canary, fresh clones, races, long chaos: some 10 minutes
	@$(PY) -m pytest -m slow -n $(JOBS) --dist loadscope $(ARGS)

.PHONY: check
check: $(READY) ## lint, format, types, import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports --no-logo

.PHONY: format
format: $(READY) ## rewrite the code as the formatter wants it
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

.PHONY: events
events: $(READY) ## write the contract: docs/asyncapi.json, and golden records of what is new in it
	@$(PY) -m shared.events

.PHONY: vendor
vendor: $(READY) ## fetch the vendored files again and compare their hashes (needs npm)
	@$(PY) -m stack.vendor

.PHONY: secrets
secrets: $(READY) ## write a fresh .env with every secret that docker-compose.yml asks for
	@$(PY) -m stack secrets

.PHONY: fixture
fixture: $(READY) ## write a made-up state of BOOTHS booths (default 500) to .run/fixture
	@$(PY) -m stack fixture .run/fixture --booths $(or $(BOOTHS),500)
