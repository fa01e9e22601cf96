# `make help` lists the commands.  A second run installs nothing: stamp files in the virtual environment record what is installed.
# EMOTONE_DATA=DIR names the folder of the corpora; without it the tests that need real recordings are skipped.
PYTHON ?= python3
VENV ?= .venv
# The built-in model: the run of benchmarks/flagship.py that learns from all corpora (docs/flagship.md).
BUILTIN ?= runs/flagship/builtin
# Processes that run tests.
JOBS ?= 2
# How long `make fuzz` looks.
MINUTES ?= 10

BIN := $(VENV)/bin
BASE := $(VENV)/.installed-base
DEV := $(VENV)/.installed-dev
# Pipecat needs older versions of some packages than the rest, so it has a virtual environment for itself.
PIPECAT := $(VENV)-pipecat
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/python $(PIP_INSTALL) -c constraints.txt
SOURCES := src tests scripts benchmarks notebooks
# Where scripts/check_words.py looks.
PLAIN := README.md CONTRIBUTING.md CHANGELOG.md docs samples benchmarks scripts src

.DEFAULT_GOAL := help
.PHONY: help demo quick test lint types pytest web integrations format samples notebooks docs docker-check benchmark load results flagship finetune ablation tour builtin release try-install fuzz need-data clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(BASE)  ## install what prediction needs, and predict the sample clips
	$(BIN)/emotone predict samples/*.wav

quick: $(DEV)  ## while you work: the tests that need no recordings and no browser, and are not slow
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -q -m "not slow and not browser and not corpus" tests

test: lint types pytest  ## everything that CI checks: style, types, import layers, tests and doctests

lint: $(DEV)  ## style and formatting (ruff), and which module may import which (import-linter)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_words.py $(PLAIN)

types: $(DEV)  ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy scripts

# One thread per process: more would compete for the cores.  The tests of a file stay together, because they share fixtures.
pytest: $(DEV) $(if $(shell command -v npm),web)  ## tests and doctests alone; corpus tests run where EMOTONE_DATA names the corpora
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

web: web/node_modules/.installed  ## what the page without a server and its tests need from npm (half a minute, needs Node 20)

integrations: $(PIPECAT)/.installed  ## the tests of voice agents, in an environment with Pipecat (about two minutes, 900 MB)
	OMP_NUM_THREADS=1 $(PIPECAT)/bin/python -m pytest -q tests/integrations

format: $(DEV)  ## rewrite the code in the project's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

samples: $(BASE)  ## speak the sample clips again (needs espeak-ng)
	$(BIN)/python scripts/make_samples.py

benchmark: need-data $(DEV)  ## speed beside other programs, and memory, on one core (needs EMOTONE_DATA)
	$(BIN)/emotone benchmark "$(EMOTONE_DATA)/ravdess_original_48k"
	$(BIN)/python benchmarks/memory.py --data "$(EMOTONE_DATA)"

results: need-data $(DEV)  ## every figure of docs/results.md on RAVDESS (needs EMOTONE_DATA, several hours; an interrupted run is continued)
	$(BIN)/python benchmarks/results.py --data "$(EMOTONE_DATA)"

flagship: need-data $(DEV)  ## every figure of the built-in recogniser on all corpora (needs EMOTONE_DATA, hours; an interrupted run is continued)
	$(BIN)/python benchmarks/flagship.py --data "$(EMOTONE_DATA)"

finetune: need-data $(DEV)  ## fine-tune the encoder's upper block on RAVDESS (needs EMOTONE_DATA; minutes on a GPU, hours without; continued)
	$(BIN)/python benchmarks/finetune.py --data "$(EMOTONE_DATA)"

ablation: need-data $(DEV)  ## the table of docs/tried.md (needs EMOTONE_DATA, a quarter of an hour)
	$(BIN)/python benchmarks/ablation.py --data "$(EMOTONE_DATA)"

tour: need-data $(DEV)  ## the pictures of docs/tour.md, from real screens (needs EMOTONE_DATA and Chromium, a few minutes)
	$(BIN)/python scripts/make_tour.py --data "$(EMOTONE_DATA)"

builtin: need-data $(DEV)  ## train the built-in model again and put it into the package (needs EMOTONE_DATA, hours)
	$(BIN)/python benchmarks/flagship.py --data "$(EMOTONE_DATA)" --only builtin
	rm -rf src/emotone/data/default
	cp -r $(BUILTIN)/model src/emotone/data/default
	$(BIN)/python scripts/lighten_graph.py
	$(BIN)/python scripts/write_notice.py

notebooks: need-data $(DEV)  ## execute the notebooks on RAVDESS and write their pages, docs/notebooks (needs EMOTONE_DATA, minutes)
	$(BIN)/python scripts/render_notebooks.py

docs: $(DEV)  ## the documentation site, in build/site (open index.html, or serve the folder)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

load: need-data $(DEV)  ## the service under load, streams and faults (needs EMOTONE_DATA, ten minutes)
	$(BIN)/python benchmarks/load.py --page docs/results.md
	$(BIN)/python benchmarks/live.py --data "$(EMOTONE_DATA)"

release: $(DEV)  ## the wheel and the source archive of the last commit, built twice and compared, with their lists, in dist/
	$(BIN)/python scripts/release.py

try-install: $(DEV)  ## install the wheel in dist/ for each Python of this machine and predict with it, in environments of their own (minutes)
	$(BIN)/python scripts/try_install.py dist/emotone-*.whl

fuzz: $(DEV)  ## hostile inputs for MINUTES (10): recordings, manifests, cards, profiles, protocols, messages and forms
	OMP_NUM_THREADS=1 $(BIN)/python scripts/fuzz.py --minutes $(MINUTES)

docker-check: $(DEV)  ## run the Dockerfile's steps in a folder, without a container engine, and test the service (minutes)
	$(BIN)/python scripts/run_docker_steps.py

need-data:
	@test -n "$(EMOTONE_DATA)" || { \
		echo "EMOTONE_DATA is not set; expected the folder that holds ravdess/: EMOTONE_DATA=DIR make $(MAKECMDGOALS)"; exit 1; }

clean:  ## remove the virtual environment, caches and build outputs; runs/ is left alone
	rm -rf $(VENV) $(PIPECAT) web/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(SOURCES) -type d -name __pycache__ -exec rm -rf {} +

$(BIN)/pip $(PIPECAT)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 | tail -n 1); expected Python 3.11 or newer."; \
		echo "Install one, and name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(patsubst %/bin/pip,%,$@)

$(BASE): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing Emotone into $(VENV) (about a minute)"
	@$(PIP) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing Emotone, its training side and the tools into $(VENV) (a few minutes)"
	@$(PIP) -e '.[train,opensmile,ray,cloud,hub,mlflow,live,serve,explore,notebooks,docs,dev]'
	@touch $(BASE) $@

web/node_modules/.installed: web/package.json web/package-lock.json
	@echo "Getting the packages of npm into web/node_modules (half a minute)"
	@cd web && npm ci --no-audit --no-fund --silent
	@touch $@

$(PIPECAT)/.installed: pyproject.toml constraints-pipecat.txt | $(PIPECAT)/bin/pip
	@echo "Installing Emotone and Pipecat into $(PIPECAT) (two minutes)"
	@$(PIPECAT)/bin/python $(PIP_INSTALL) -c constraints-pipecat.txt -e '.[pipecat,livekit]' pytest pytest-timeout
	@touch $@
