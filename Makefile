# Thin on purpose: each target makes the environment once, then says what `python -m cookbook --help` can do.
# A fresh machine needs Python 3.11 or later, git and make, and nothing else.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip -qq --disable-pip-version-check
COOKBOOK := $(VENV)/bin/python -m cookbook
READY := $(VENV)/ready

.PHONY: help site test matrix mutate soak record serve check env lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#: //p' Makefile

#: make site [SERVE=1]        run the recipes that changed, build both languages, swap them in; SERVE=1 serves them too
site: $(READY)
	@$(COOKBOOK) site $(if $(STACK),--stack $(STACK)) $(if $(ALL),--all) $(if $(SERVE),--serve)

#:                            ALL=1 runs every recipe, also what has fresh evidence on this machine

#: make test [CHANGED=1]      style, the machinery's tests, every recipe's proofs, the site and its checks
test: $(READY)
	@$(COOKBOOK) test $(if $(STACK),--stack $(STACK)) $(if $(CHANGED),--changed)

#:                            CHANGED=1 runs the proofs of the recipes that changed, and everything else

#:                            STACK=local or compose runs the proofs there; else on Compose where an engine answers

#: make matrix [RECIPE=x]     every recipe on older releases of Celery and on other servers; COLUMNS=celery-5.3,redis-6.2
matrix: $(READY)
	@$(COOKBOOK) matrix $(RECIPE) $(if $(COLUMNS),--columns $(COLUMNS))

#:                            what did not change since its last run is not run again

#: make record [RECIPE=x]     run recipes and rewrite their transcripts with what the commands print now
record: $(READY)
	@$(COOKBOOK) record $(RECIPE)

#: make serve                 both languages under one address, rebuilt while you write; no Redis, no Docker
serve: $(READY)
	@$(COOKBOOK) serve

#: make check                 the cheap checks alone: parity, prose, evidence, unused regions
check: $(READY)
	@$(COOKBOOK) check

#: make mutate [RECIPE=x]     take away or alter each line that pages show, and see a proof fail
mutate: $(READY)
	@$(COOKBOOK) mutate $(RECIPE)

#: make soak [RECIPE=x]       run proofs TIMES=2 times, half of them on a busy machine: flaky ones show
soak: $(READY)
	@$(COOKBOOK) soak $(RECIPE) $(if $(TIMES),--times $(TIMES)) $(if $(STACK),--stack $(STACK))

#: make env                   the environment alone, in .venv
env: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "$(PYTHON): not a Python of 3.11 or later: install one, then run make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON): it has no venv module: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV), each checked against its hash (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

#: make lock                  pin by hash what pyproject.toml and tests/environments/ ask for
lock: $(READY)
	@for asked in pyproject.toml tests/environments/*.in; do \
	    case $$asked in pyproject.toml) lock=requirements.lock ;; *) lock=$${asked%.in}.txt ;; esac; \
	    $(VENV)/bin/uv pip compile $$asked --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	        --no-annotate --no-header --python-version 3.11 --quiet -o $$lock || exit 1; \
	done

#: make clean                 remove everything that make made, the environment included
clean:
	@rm -rf site build evidence .cache .mypy_cache .pytest_cache .ruff_cache $(VENV)
