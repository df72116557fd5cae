# Each target creates the environment once, then runs a command of `python -m cookbook --help`.
# A new machine needs only Python 3.11 or later, git and make.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip -qq --disable-pip-version-check
COOKBOOK := $(VENV)/bin/python -m cookbook
READY := $(VENV)/ready

.PHONY: help site test matrix mutate soak record serve check env lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#: //p' Makefile

#: make site [SERVE=1]        run the recipes that changed, build and publish both languages; SERVE=1 serves them too
site: $(READY)
	@$(COOKBOOK) site $(if $(STACK),--stack $(STACK)) $(if $(ALL),--all) $(if $(SERVE),--serve)

#:                            ALL=1 also runs the recipes that have fresh evidence on this machine

#: make test [CHANGED=1]      style, the machinery's tests, every recipe's proofs, the site and its checks
test: $(READY)
	@$(COOKBOOK) test $(if $(STACK),--stack $(STACK)) $(if $(CHANGED),--changed)

#:                            CHANGED=1 runs only the proofs of the recipes that changed, and all other tests

#:                            STACK=local or STACK=compose chooses where proofs run (default: Compose where an engine answers)

#: make matrix [RECIPE=x]     run recipes on older Celery releases and other servers; COLUMNS=celery-5.3,redis-6.2
matrix: $(READY)
	@$(COOKBOOK) matrix $(RECIPE) $(if $(COLUMNS),--columns $(COLUMNS))

#:                            only those that changed since their last run

#: make record [RECIPE=x]     run recipes and rewrite their transcripts with what the commands print now
record: $(READY)
	@$(COOKBOOK) record $(RECIPE)

#: make serve                 serve both languages, rebuilt at each edit; needs no Redis and no Docker
serve: $(READY)
	@$(COOKBOOK) serve

#: make check                 check what needs no build: parity of the languages, prose, evidence, unused regions
check: $(READY)
	@$(COOKBOOK) check

#: make mutate [RECIPE=x]     remove or change each line that pages show; a proof must fail
mutate: $(READY)
	@$(COOKBOOK) mutate $(RECIPE)

#: make soak [RECIPE=x]       run proofs TIMES=2 times, half of them on a busy machine, to find flaky ones
soak: $(READY)
	@$(COOKBOOK) soak $(RECIPE) $(if $(TIMES),--times $(TIMES)) $(if $(STACK),--stack $(STACK))

#: make env                   create the environment in .venv
env: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "$(PYTHON): not a Python of 3.11 or later: install one, then run make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON): the module venv is missing: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV), each checked against its hash (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

#: make lock                  pin by hash the dependencies in pyproject.toml and tests/environments/
lock: $(READY)
	@for asked in pyproject.toml tests/environments/*.in; do \
	    case $$asked in pyproject.toml) lock=requirements.lock ;; *) lock=$${asked%.in}.txt ;; esac; \
	    $(VENV)/bin/uv pip compile $$asked --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	        --no-annotate --no-header --python-version 3.11 --quiet -o $$lock || exit 1; \
	done

#: make clean                 remove everything that make created, including the environment
clean:
	@rm -rf site build evidence .cache .mypy_cache .pytest_cache .ruff_cache $(VENV)
