# Everything goes through two commands on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help demo up test check bench bench-ears bench-wall bench-archive evening clean dashboards lock vendor system system-test system-lab

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: system $(VENV)/.run ## set up, start everything, replay recorded PBX traffic, print the wall's address
	@$(BIN)/sansheng demo

up: system $(VENV)/.run ## set up and start the whole system with your settings (sansheng.toml, SANSHENG_…)
	@$(BIN)/sansheng up

test: system-test $(VENV)/.dev ## set up and run all tests
	@$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/.dev ## ruff, mypy, import contracts, rulebook, timelines
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sansheng rules check
	@$(BIN)/sansheng rules test

bench: system $(VENV)/.dev ## measure: events a second, event-to-wall latency, lateness of timers
	@$(BIN)/python -m bench

bench-ears: system-lab $(VENV)/.dev ## measure hearing: recall, false alarms, delay, channels a core; tables to docs/accuracy.md
	@$(BIN)/python -m bench.ears

bench-wall: system $(VENV)/.dev ## measure the wall: fan-out to 500 screens, memory, CPU, restarts; tables to docs/bench.md
	@$(BIN)/python -m bench.wall

bench-archive: system-test $(VENV)/.dev ## measure and prove the archive: a week, kills -9, on both stores; tables to docs/bench.md
	@$(BIN)/python -m bench.archive

evening: system-test $(VENV)/.dev ## prove an evening on which things go wrong: alerts, figures, pages, dashboards; tables to docs/bench.md
	@$(BIN)/python -m bench.evening

lock: $(VENV)/.dev ## pin the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile -q --upgrade --no-emit-index-url --no-header --no-annotate --extra tansu pyproject.toml \
		-o requirements.lock
	@$(BIN)/uv pip compile -q --upgrade --no-emit-index-url --no-header --no-annotate --extra dev -c requirements.lock \
		pyproject.toml -o requirements-dev.lock

dashboards: $(VENV)/.dev ## write Grafana's dashboards as JSON, in Chinese and English (dashboards/grafana/json)
	@$(BIN)/python -m dashboards.grafana
	@$(BIN)/python -m dashboards.grafana --english

vendor: ## fetch what the wall's pages use of the npm registry into the tree (needs npm; running needs neither)
	@dashboards/wall/vendor/vendor.sh

clean: ## remove what make and the demo have made (.venv, .run, caches)
	rm -rf $(VENV) .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

system: ## check for Java and Maven; install them when root on Debian
	@deploy/system.sh run

system-test:
	@deploy/system.sh test

system-lab:
	@deploy/system.sh lab

$(VENV)/bin/pip:
	@deploy/system.sh venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/pip
	@echo "installing Python packages …"
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "installing development packages …"
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements-dev.lock
	@touch $@
