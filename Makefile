# candgen: `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# For report: a folder or zip of MovieLens; without it the report is about the invented world.
# For test and bench: a folder with ml-latest-small and gowalla; without it data is invented.
DATA ?=
REAL := $(if $(DATA),CANDGEN_TEST_DATA="$(abspath $(DATA))")
LAB ?=
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: help setup filter report test lab lint bench faults clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  make report DATA=ml-latest-small.zip   the same report on real films, into outputs/films/"

setup: $(VENV)/.ready ## Make the virtual environment from requirements.lock

# Takes outputs out of notebooks; what else goes stands in .git-nbconfig.yaml. Without the tool
# (another environment, none any more) git goes on and stores notebooks as they are.
STRIP := if [ -x $(BIN)/nbstripout-fast ]; then $(BIN)/nbstripout-fast; \
  elif command -v nbstripout-fast >/dev/null 2>&1; then nbstripout-fast; else cat; fi

# The stamp appears last: an interrupted set-up is taken up again.
$(VENV)/.ready: requirements.lock pyproject.toml
	@python=""; \
	for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "candgen needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>&1 || echo none)." >&2; \
	  echo "Install one (Debian: apt install python3 python3-venv; macOS: brew install python@3.12)," >&2; \
	  echo "or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python cannot make virtual environments: the modules venv and ensurepip are missing." >&2; \
	  echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version); this takes a few minutes, once."; \
	$$python -m venv $(VENV)
	@grep -v '^annoy==' requirements.lock > $(VENV)/without-annoy.txt
	@$(PIP) --quiet -r $(VENV)/without-annoy.txt
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@$(PIP) --no-deps $$(grep '^annoy==' requirements.lock) > $(VENV)/annoy.log 2>&1 || { \
	  echo "annoy is left out: it has no wheel and could not be compiled ($(VENV)/annoy.log says why)."; \
	  echo "All else works, with the other indexes. \`$(BIN)/candgen doctor\` says how to add it."; }
	@$(MAKE) --no-print-directory filter
	@touch $@

filter: ## Tell git to leave the outputs of notebooks out of commits
	@if [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$$(pwd -P)" ]; then \
	  git config filter.nbstripout.clean '$(STRIP)'; \
	  git config --unset filter.nbstripout.smudge || true; fi

report: setup ## Run the quick sweep and write outputs/quick/report.html
ifeq ($(DATA),)
	$(BIN)/candgen sweep params/quick.yaml
else
	$(BIN)/candgen sweep params/films.yaml --set data="$(DATA)"
endif

test: setup ## Run all tests, notebooks and real data included
	$(REAL) $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

lab: setup ## Open JupyterLab on the notebooks
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb $(LAB)

lint: setup ## Check style over library, tests and notebooks
	$(BIN)/ruff check lib tests notebooks
	$(BIN)/ruff format --check lib tests notebooks

bench: setup ## Measure against others, side by side, into outputs/bench/results.csv
	$(REAL) $(BIN)/python tests/benchmarks $(ONLY)

faults: setup ## Kill candgen at random moments for MINUTES=10, and compare
	$(BIN)/python tests/faults --minutes $(or $(MINUTES),10)

clean: ## Remove the virtual environment; outputs stay
	rm -rf $(VENV)
