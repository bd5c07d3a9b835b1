# AniMatrix in JAX: `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lock pocket desk bench chaos clean

VENV := .venv
PYTHON := $(VENV)/bin/python
ANIMATRIX := $(VENV)/bin/animatrix

# A machine without an accelerator is told so once, or JAX searches for one aloud.
ifeq ($(wildcard /dev/nvidia0 /dev/nvidiactl /dev/accel* /dev/vfio/[0-9]* /dev/kfd),)
export JAX_PLATFORMS ?= cpu
endif

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

setup:  ## .venv with the locked dependencies (nothing to do when the lock has not changed)
	@requirements/setup.sh

demo: setup  ## draw, train, generate, measure; then runs/demo/index.html (FOOTAGE=folder adds your own)
	@$(ANIMATRIX) demo --config configs/pocket/tune.py --out runs/demo $(if $(FOOTAGE),--footage "$(FOOTAGE)")

WORKERS ?= 2

test: setup  ## the test suite on two processes (T=tests/path for a part of it, WORKERS=4 for more)
	@$(PYTHON) -m pytest $(if $(T),$(T),--numprocesses $(WORKERS) --dist loadfile)

lint: setup  ## ruff and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

UV ?= uv
COMPILE := $(UV) pip compile --quiet --python-version 3.12 --generate-hashes --no-emit-index-url --no-annotate

lock:  ## compile requirements/*.in into locks with hashes (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: install it with 'python3 -m pip install uv'." >&2; exit 2; }
	$(COMPILE) requirements/base.in -o requirements/base.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/tpu.in -o requirements/tpu.txt
	@! grep -nE '://|^--(extra-)?index|^--find-links' requirements/*.txt

MACHINE ?= cpu
POCKET := runs/pocket
SHIPPED := animatrix_jax/weights/pocket

pocket: setup  ## train the shipped pocket weights again from nothing (MACHINE=gpu: longer)
	$(ANIMATRIX) draw --out $(POCKET)/corpus --clips 8000
	$(ANIMATRIX) draw --out $(POCKET)/scenes --clips 6000 --sampler pocket
	$(ANIMATRIX) draw --out $(POCKET)/oracle_corpus --clips 2800 --seed 1000000 --sampler rehearsed
	$(ANIMATRIX) train --config configs/pocket/vae.py --workdir $(POCKET)/vae
	$(ANIMATRIX) train --config configs/pocket/vae.py:scenes --workdir $(POCKET)/vae_scenes
	$(ANIMATRIX) train --config configs/pocket/text.py --workdir $(POCKET)/text
	$(ANIMATRIX) train --config configs/pocket/ct.py:$(MACHINE) --workdir $(POCKET)/ct
	$(ANIMATRIX) train --config configs/pocket/sft.py:$(MACHINE) --workdir $(POCKET)/sft
	$(ANIMATRIX) train --config configs/pocket/oracle.py --workdir $(POCKET)/oracle
	mkdir -p $(SHIPPED)
	cp -r $(POCKET)/sft/model/. $(SHIPPED)
	cp -r $(POCKET)/oracle/model/. $(SHIPPED)
	rm -f $(SHIPPED)/run.*.json
	set -e; for stage in vae vae_scenes text ct sft oracle; do cp $(POCKET)/$$stage/run.json $(SHIPPED)/run.$$stage.json; done

DESK := runs/desk
SHIPPED_DESK := animatrix_jax/weights/desk

desk: setup  ## train the desk oracles from nothing, into the package
	$(ANIMATRIX) draw --out $(DESK)/oracle_corpus --clips 12000 --size desk --sampler distinct_faulty
	$(ANIMATRIX) draw --out $(DESK)/oracle_exam --clips 1480 --size desk --sampler distinct --seed 1000000
	$(ANIMATRIX) train --config configs/desk/oracle.py --workdir $(DESK)/oracle_looking
	$(ANIMATRIX) train --config configs/desk/oracle.py:closer --workdir $(DESK)/oracle_closer
	$(ANIMATRIX) train --config configs/desk/oracle.py:judging --workdir $(DESK)/oracle
	$(ANIMATRIX) train --config configs/desk/camera.py --workdir $(DESK)/camera
	$(ANIMATRIX) train --config configs/desk/faults.py --workdir $(DESK)/faults
	mkdir -p $(SHIPPED_DESK)
	set -e; for part in oracle camera faults; do \
		cp -r $(DESK)/$$part/model/. $(SHIPPED_DESK); \
		cp $(DESK)/$$part/run.json $(SHIPPED_DESK)/run.$$part.json; \
	done

# A benchmark lives beside what it times and prints one table; those of `make chaos` kill, move, stop.
BENCHMARKS = $(filter-out benchmarks/chaos.py benchmarks/moves.py benchmarks/stops.py,$(sort $(wildcard kernels/benchmarks/[a-z]*.py data/benchmarks/[a-z]*.py benchmarks/[a-z]*.py)))

bench: setup  ## every benchmark in turn (B=kernels/benchmarks/attention.py for one)
	@set -e; for benchmark in $(or $(B),$(BENCHMARKS)); do echo "== $$benchmark"; $(PYTHON) $$benchmark; done

chaos: setup  ## kill a run fifty times, move one over meshes, stop one of two processes (KILLS=5 for fewer)
	@$(PYTHON) benchmarks/chaos.py --kills $(or $(KILLS),50)
	@$(PYTHON) benchmarks/moves.py
	@$(PYTHON) benchmarks/stops.py

clean:  ## remove caches and build leftovers; .venv and runs/ stay
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
