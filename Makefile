# The commands of Candela; `make` alone lists them.
# Needs Python 3.11 to 3.13, make and the package registries; all else comes from requirements/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON ?=
SUITS := 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin
BUILT := .venv/.built

# Words of examples are let off by value; passwords that tests make up, by detector.
FILES := git ls-files -z --cached --others --exclude-standard -- ':!*.lock' ':!*package-lock.json'
FIND_SECRETS := $(BIN)/detect-secrets-hook --no-verify

# One form for every lock: hashes, all platforms, no host.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
	--no-emit-index-url --no-annotate --python-version 3.11

.PHONY: help up down test lint types rooms sql secrets docs check bench format lock clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/:[^#]*## /\t/' | expand -t 12

up: $(BUILT) ## Start everything on the sample and show the Dagster UI until Ctrl-C
	@$(BIN)/candela up $(ARGS)

down: $(BUILT) ## Stop the embedded servers
	@$(BIN)/candela down $(ARGS)

test: $(BUILT) ## Run the tests (ARGS="-k word" chooses, WORKERS=1 for one process)
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(BUILT) ## Check rules, format and spelling
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/codespell

types: $(BUILT) ## Check types, strictly
	@$(BIN)/basedpyright

rooms: $(BUILT) ## Check the import contracts of rooms and floors
	@$(BIN)/lint-imports --no-cache

sql: $(BUILT) ## Lint the schema and the queries
	@$(BIN)/sqlfluff lint --disable-progress-bar sql
	@$(BIN)/squawk --config .squawk.toml 'sql/**/*.sql'

secrets: $(BUILT) ## Look for secrets in every tracked file, offline
	@$(FILES) ':!tests' | xargs -0 $(FIND_SECRETS) \
		--exclude-secrets '^(password|secret|text|scram-sha-256|URL .secret.|\w{4}\.\.\.)$$' \
		--exclude-secrets '^(correct horse battery staple|three unlikely words)$$' \
		--exclude-secrets '^(not the right one|some other words|23456789[A-Za-z]+)$$' \
		--exclude-secrets '^(sk-proj-0123456789abcdef|q0p8GkqL\w+|vmPUZE6m\w+|NhqPtmdS\w+)$$'
	@$(FILES) tests | xargs -0 $(FIND_SECRETS) --exclude-secrets '^eyJhbGciOiJIUzI1NiJ9\.eyJzdWIi' \
		--disable-plugin KeywordDetector --disable-plugin BasicAuthDetector \
		--disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString

docs: $(BUILT) ## Write docs/reference anew from the code
	@$(BIN)/python -m docs.generate

check: lint types rooms sql secrets test ## Everything that must hold before a change lands

bench: $(BUILT) ## Measure, and print the table of figures
	@$(BIN)/python -m bench $(ARGS)

format: $(BUILT) ## Format the code and mend what can be mended safely
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

lock: $(BUILT) ## Write requirements/ anew from pyproject.toml (ARGS=--upgrade for newer releases)
	@$(COMPILE) --group dev --all-extras $(ARGS) --output-file requirements/dev.lock pyproject.toml
	@$(COMPILE) --constraints requirements/dev.lock --extra celery --output-file requirements/run.lock pyproject.toml
	@printf 'uv\nsetuptools\n' | $(COMPILE) --constraints requirements/dev.lock --output-file requirements/bootstrap.lock -
	@$(MAKE) --no-print-directory $(BUILT)

clean: ## Remove what was built here (.venv, caches); data stays where `candela status` says
	@rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip installs uv and setuptools by hash; uv then installs everything else, by hash. The project is
# linked last, without build isolation, so that no step fetches anything that is not locked.
$(BUILT): requirements/dev.lock requirements/bootstrap.lock pyproject.toml
	@test -x $(BIN)/python || { \
		for python in $(PYTHON) python3 python3.13 python3.12 python3.11 none; do \
			if "$$python" -c $(SUITS) 2>/dev/null; then break; fi; \
		done; \
		if [ "$$python" = none ]; then \
			echo "Candela needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python" >&2; \
			exit 1; \
		fi; \
		"$$python" -m venv .venv; \
	}
	@echo "Installing the locked packages into .venv (once, and again when the lock changes)" >&2
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/bootstrap.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation \
		--editable .
	@echo "Compiling the simulators (once, and again when their sources change)" >&2
	@$(BIN)/python -m backtest.warm 2>/dev/null
	@touch $@
