# `make` lists the targets. The demo's options are variables, for example: make demo ANNOTATE=60
RELEASES ?= $(patsubst requirements/studio-%.in,%,$(wildcard requirements/studio-*.in))
PORT ?= 8080
BACKEND_PORT ?= 9090
MINUTES ?= 5
SEED ?= 0
# Of the fuzz tests' inputs; each run draws others.
FUZZ_FACTOR ?= 0.3

# Containers often set it. Each of the many processes of a run would then compile all that it imports:
# a Label Studio for eight seconds, because it is installed without compiling.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install tools quick demo format lint types test versions benchmark pictures docs soak lock hooks audit clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 12

install: tools  ## everything, into .venv and .venv-studio (quick when nothing changed)
	@scripts/install.sh studio .venv-studio

# What needs no Label Studio waits for no Label Studio.
tools:
	@scripts/install.sh backend .venv dev

demo: install  ## Label Studio with 2,225 news articles [ANNOTATE=labels PACE=seconds EXIT=1 KEEP=1 PORT BACKEND_PORT]
	$(if $(KEEP),,rm -rf demo-data)
	.venv/bin/python -m backend demo --folder demo-data --label-studio .venv-studio/bin/label-studio \
		--port $(PORT) --backend-port $(BACKEND_PORT) \
		$(if $(ANNOTATE),--annotate $(ANNOTATE)) $(if $(PACE),--pace $(PACE)) $(if $(EXIT),--exit)

format: tools  ## put the code into its standard form
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

lint: tools  ## check form and common mistakes
	.venv/bin/ruff format --check
	.venv/bin/ruff check

types: tools  ## check types
	.venv/bin/mypy

# Test processes with their servers and trainers: a thread each, or they wait for one another.
PYTEST = OMP_NUM_THREADS=1 .venv/bin/pytest --ignore tests/benchmarks \
	--dist loadscope --no-loadscope-reorder
# On two cores. Tests with servers wait for these a third of the time.
WITHOUT_SERVERS = -n 2
WITH_SERVERS = -n 3

quick: lint types  ## all checks, and the tests without servers, browser and training: a minute
	env -u LABEL_STUDIO_BIN FUZZ_FACTOR=0.05 $(PYTEST) $(WITHOUT_SERVERS) -q \
		-m "not studio and not slow" --durations=5

test: install lint types docs  ## all checks and tests, with a Label Studio of its own
	LABEL_STUDIO_BIN=$(CURDIR)/.venv-studio/bin/label-studio FUZZ_FACTOR=$(FUZZ_FACTOR) $(PYTEST) \
		$(WITH_SERVERS) --durations=15

versions: tools  ## the tests that every release of Label Studio must pass, with old ones [RELEASES]
	@set -e; for release in $(RELEASES); do \
		venv=build/label-studio-$$release; \
		scripts/install.sh studio $$venv $$release; \
		LABEL_STUDIO_BIN=$(CURDIR)/$$venv/bin/label-studio $(PYTEST) $(WITH_SERVERS) -q -m every_release -k sqlite; \
	done

benchmark: install  ## measure: minutes
	LABEL_STUDIO_BIN=$(CURDIR)/.venv-studio/bin/label-studio .venv/bin/pytest tests/benchmarks -s

pictures: install  ## the browser tests, and the README's pictures from them
	LABEL_STUDIO_BIN=$(CURDIR)/.venv-studio/bin/label-studio .venv/bin/pytest tests/browser
	mkdir -p docs && cd build/screenshots && cp data-manager.png connect-model.png ../../docs/
	cp build/screenshots/task-10.png docs/labelling.png
	cp build/screenshots/status-desktop.png docs/status.png

docs: tools  ## the documentation as a site, in site/; a broken link fails
	.venv/bin/mkdocs build --strict

soak: install  ## label while servers are killed and lines cut, then prove that nothing is lost [MINUTES SEED]
	rm -rf build/soak
	.venv/bin/python -m tests.soak --folder build/soak --label-studio .venv-studio/bin/label-studio \
		--minutes $(MINUTES) --seed $(SEED)

lock: tools  ## lock what is installed to exact versions [UPGRADE=1: the newest that fit]
	PYTHON=.venv/bin/python UPGRADE=$(UPGRADE) scripts/lock.sh

hooks: tools  ## check the form, common mistakes and types before each commit
	.venv/bin/pre-commit install

audit: tools  ## look the installed packages up among the known vulnerabilities
	.venv/bin/pip install --quiet pip-audit
	mkdir -p build && .venv/bin/pip freeze --exclude-editable >build/installed.txt
	.venv/bin/pip-audit --strict --no-deps --disable-pip -r build/installed.txt

clean:  ## remove what make made; the backend's own data stays
	rm -rf .venv .venv-studio demo-data build site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
