# Every target sets up what it needs the first time; later runs start at once.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PORT ?= 8000
DATA ?= .local
STAGE ?= prod
PARAMS ?= $(STAGE).json
OUT ?= out
URL ?= http://localhost:$(PORT)
TESTS ?=

GRANTS := .tools/grants
READY := .venv/ready
PYTHON_IN := .venv/bin/python
CODE := app.py chalicelib infra tests client
TYPED := app.py chalicelib infra tests client/cetrus client/tests client/examples

.PHONY: help run demo test mutants promises check lint types contracts scan bench package preflight deploy smoke restore-drill lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## start the one-machine cloud (PORT=8000 DATA=.local)
	@exec $(PYTHON_IN) -m infra.local run --port $(PORT) --data $(DATA)

demo: $(READY) ## walk the whole story on a fresh cloud and print it
	@exec $(PYTHON_IN) -m infra.demo

test: $(READY) lint types contracts ## every test, and roles against their use (TESTS="path -k word" for some tests)
	@$(PYTHON_IN) -m infra.tools.needs
	@rm -rf $(GRANTS)
	@exec env LOCAL_GRANTS="$(CURDIR)/$(GRANTS)" \
		$(PYTHON_IN) -m pytest --numprocesses auto --dist loadfile $(TESTS)
	@$(if $(TESTS),,exec $(PYTHON_IN) -m infra.tools.grants $(GRANTS))

check: $(READY) lint types contracts ## lint, types, import contracts and pure rules, in half a minute
	@exec $(PYTHON_IN) -m pytest $$(find tests client/tests -name 'test_*rules*.py' -o -path '*/core/test_*.py')

lint: $(READY)
	@$(PYTHON_IN) -m ruff check --quiet $(CODE)
	@$(PYTHON_IN) -m ruff format --quiet --check $(CODE) || { echo 'format: run .venv/bin/ruff format .' >&2; exit 1; }

types: $(READY)
	@$(PYTHON_IN) -m mypy --no-error-summary $(TYPED)

contracts: $(READY)
	@mkdir -p .tools
	@.venv/bin/lint-imports --verbose > .tools/contracts.txt 2>&1 || { cat .tools/contracts.txt >&2; exit 1; }

mutants: $(READY) ## break the code in each named way and see the tests notice (some 10 minutes)
	@exec $(PYTHON_IN) -m infra.tools.mutants

promises: $(READY) ## each promise of the privacy statement: its control, tests and sabotages (QUICK=1: no sabotage)
	@exec $(PYTHON_IN) -m infra.tools.promises $(if $(QUICK),--quick)

scan: $(READY) ## checkov, cloudsplaining and parliament on the templates; every finding is explained
	@exec $(PYTHON_IN) -m infra.tools.scan

bench: $(READY) ## measure, beside a peer, and print a JSON line for each figure (ONLY=starting,costs)
	@exec $(PYTHON_IN) -m infra.bench $(if $(ONLY),--only $(ONLY))

package: $(READY) ## template and zip, ready to deploy (STAGE=prod OUT=out)
	@exec $(PYTHON_IN) -m infra.package --stage $(STAGE) --out $(OUT)

preflight: $(READY) ## name all that a deployment still lacks (STAGE=prod PARAMS=prod.json)
	@exec $(PYTHON_IN) -m infra.operate.preflight --stage $(STAGE) --params $(PARAMS)

deploy: $(READY) ## deploy after a look, showing what changes (PARAMS=prod.json YES= RELEASE=)
	@exec $(PYTHON_IN) -m infra.operate.deploy --stage $(STAGE) --params $(PARAMS) \
		$(if $(YES),--yes) $(if $(RELEASE),--release $(RELEASE))

smoke: $(READY) ## look at a running service from outside (URL=https://...)
	@exec $(PYTHON_IN) -m infra.operate.smoke $(URL)

restore-drill: $(READY) ## lose the tables of a local cloud, bring them back, and look
	@exec $(PYTHON_IN) -m infra.operate.drill

lock: ## lock the requirements anew, by hash, for Python 3.11 to 3.13 (needs uv)
	uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--custom-compile-command 'make lock' --quiet requirements.in --output-file requirements.txt
	uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--custom-compile-command 'make lock' --quiet requirements-dev.in --output-file requirements-dev.txt
	for folder in infra/tools/scanners infra/bench/peer; do \
		uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
			--custom-compile-command 'make lock' --quiet $$folder/requirements.in \
			--output-file $$folder/requirements.txt || exit 1; done

clean: ## remove what can be made again (the data in .local stays)
	rm -rf out build dist .tools .chalice/deployments
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-dev.txt infra/tools/setup.sh client/pyproject.toml
	@PYTHON="$(PYTHON)" sh infra/tools/setup.sh
