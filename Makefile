# `make help` tells what there is. All that is needed is Python 3.11 or later.
.DEFAULT_GOAL := help
.PHONY: help dev test lint format schema bench requirements clean
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.ready
TESTS ?= tests
ARGS ?=

# The first Python that is new enough; `make dev PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$each; break; fi; done)

help: ## Show this help
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '%-22s %s\n' "$$name" "$$text"; done

dev: $(READY) ## Start everything and serve the demo on 127.0.0.1:8000 (ARGS="--port 8001")
	@$(BIN)/lango dev $(ARGS)

test: $(READY) ## Run all tests, in parallel (TESTS=tests/redemption, ARGS="-x -k once")
	@$(BIN)/python -m pytest -n auto --maxprocesses=8 --dist=worksteal $(TESTS) $(ARGS)

lint: $(READY) ## Check style, types and that the layers point down
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## Bring the code into the one form, and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

schema: $(READY) ## Write schema.graphql from the code
	@$(BIN)/lango schema > schema.graphql.new && mv schema.graphql.new schema.graphql
	@$(BIN)/python -m tests.kit.shape > tests/kit/shape.txt
	@echo "schema.graphql is written, and the mutations' shape in tests/kit/shape.txt"

bench: $(READY) ## Measure lango beside others, the answers compared first (ARGS="--help" tells what to choose)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore -r requirements/bench.txt
	@$(BIN)/python -m benchmarks $(ARGS)

requirements: $(READY) ## Pin the newest versions that requirements/*.in allow (UPGRADE= keeps what is pinned)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore uv
	@for each in dev serve graphiql bench; do \
		constraint=$$([ $$each = serve ] && echo "--constraint requirements/dev.txt"); \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make requirements" \
			--no-emit-index-url --no-emit-find-links $(UPGRADE) $$constraint \
			requirements/$$each.in --output-file requirements/$$each.txt || exit 1; \
	done
UPGRADE ?= --upgrade

clean: ## Remove the environment, the caches and the embedded database with its data
	@for each in .lango/postgres-*/data .lango/bench/postgres-*/data; do if [ -L "$$each" ]; then rm -rf "$$(readlink "$$each")"; fi; done
	rm -rf .venv .lango build lango.egg-info lango/http/graphiql/dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: made once, and again when what it is made of has changed.
$(READY): requirements/dev.txt requirements/graphiql.txt pyproject.toml lango/http/graphiql/package.json
	@if [ -z "$(PYTHON)" ]; then \
		echo "lango needs Python 3.11 or later, and none was found (tried python3, python3.14 to python3.11)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		if ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
			echo "$(PYTHON) has no venv or ensurepip module. Install it (Debian and Ubuntu: apt install python3-venv)," >&2; \
			echo "or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
		echo "making the environment .venv with $$($(PYTHON) --version)"; \
		rm -rf .venv && $(PYTHON) -m venv .venv; fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	@echo "installing what requirements/dev.txt names (the first time this takes a minute or two)"
	@$(BIN)/python -m pip install --disable-pip-version-check --root-user-action=ignore --no-warn-script-location \
		-r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--no-deps --no-build-isolation --editable .
	@echo "bundling GraphiQL"
	@$(BIN)/python -c 'from lango.http.graphiql.build import find_node; find_node()' >/dev/null 2>&1 || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		-r requirements/graphiql.txt || echo "no Node could be had: going on without GraphiQL" >&2
	@$(BIN)/python -m lango.http.graphiql.build || echo "going on without GraphiQL" >&2
	@touch $@
