# Every target does its own set-up: a virtual environment in .venv, from the lock files, once. Only Python 3.11 to 3.14 is needed.
.DEFAULT_GOAL := help
.PHONY: help run test check format bench crash lock
PYTHONPATH :=
BIN := .venv/bin/python -m
CYCLES ?= 100

help:  ## this text
	@echo 'Stockwire: an inventory ledger that never sells a unit twice and tells everybody.'
	@echo
	@echo '  make run            set up, start a server on its own database, replay real orders through it,'
	@echo '                      reconcile from outside, and stay up until Ctrl-C'
	@echo '  make run ONCE=1     the same, but end after the reconciliation (exit 1 on any difference)'
	@echo '  make run FRESH=1    the same, from an empty data directory'
	@echo '  make test           every test, on real PostgreSQL servers that it starts itself'
	@echo '  make test ARGS=...  only some: ARGS="tests/store -k restart" goes to pytest as it is'
	@echo '  make test ENGINES=... on others: "embedded-16", "system"'
	@echo
	@echo '  make check          format, lint, strict types, import contracts, tidy and documentation tests'
	@echo '  make format         format the code and mend what the linter can mend'
	@echo '  make bench          the benchmarks beside their yardsticks; results in benchmarks/results/'
	@echo '  make crash          100 cycles of kill -9 under load (CYCLES=5 for fewer)'
	@echo '  make lock           renew the lock files after a change of pyproject.toml (UPGRADE=1: newer versions)'
	@echo
	@echo 'A first look: make run.   Before a commit: make format check.   Before a push: make test.'

run: .run-ready
	@$(BIN) stockwire.demo $(if $(ONCE),--once) $(if $(FRESH),--fresh) $(if $(PORT),--port $(PORT))

test: .test-ready
	@$(if $(ENGINES),ENGINES='$(ENGINES)') .venv/bin/python scripts/run_tests.py $(ARGS)

check: .test-ready
	@.venv/bin/python scripts/run_checks.py

format: .test-ready
	@$(BIN) ruff check --quiet --fix . || true
	@$(BIN) ruff format .

bench: .test-ready
	@$(BIN) benchmarks $(ARGS)

crash: .test-ready
	@$(BIN) tests.crash --cycles $(CYCLES)

lock: .run-ready
	@scripts/lock.sh

.PHONY: .run-ready .test-ready
.run-ready:
	@scripts/set_up.sh run
.test-ready:
	@scripts/set_up.sh test
