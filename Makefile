# Everything happens in .venv, which is made when it is first needed. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
# The tests go side by side, on as many cores as there are, up to four; PARALLEL= has them one after the other.
PARALLEL ?= -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-slow test-oracles test-ray check bench format clean help

help:
	@echo "make demo          train a CartPole controller and look at it (SEED=$(SEED))"
	@echo "make test          the tests"
	@echo "make test-slow     the proofs that take minutes"
	@echo "make test-oracles  against PyTorch, DeZero, the array API and stable-baselines3 (installs them)"
	@echo "make test-ray      the Ray executor on clusters of this machine (installs Ray)"
	@echo "make check         format, lint and types"
	@echo "make bench         all benchmarks; their figures go to docs/benchmarks.md"
	@echo "make format        mend the format"
	@echo "make clean         remove .venv and caches"

demo: .venv/core
	$(BIN)/cartwheel train CartPole-v1 --seed $(SEED)

test: .venv/dev
	$(BIN)/pytest $(PARALLEL)

test-slow: .venv/dev
	$(BIN)/pytest -m slow

test-oracles: .venv/oracles
	$(BIN)/pytest -rs tests/nn tests/policies/test_act_evaluation.py

# What Ray leaves open at its end is no fault of a test's.
test-ray: .venv/ray
	$(BIN)/pytest -rs -m 'slow or not slow' -W ignore::ResourceWarning tests/training/test_executors_ray.py

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python -m benchmarks

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist

# PyTorch comes by pip, which unlike uv takes a build for the CPU from whatever sources pip is told of, and first.
TORCH := $(BIN)/python -m pip install --quiet torch==2.13.0

# gymnax wants an older Gymnasium than the one that is measured; what it needs else is in the group `bench`.
GYMNAX := $(BIN)/python -m pip install --quiet --no-deps gymnax==1.0.1

# install,WHAT: uv where it can be had, since it takes a tenth of the time; pip otherwise.
define install
	@if [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt $(1); \
	else \
		$(BIN)/python -m pip install --quiet --upgrade pip && \
		$(BIN)/python -m pip install --quiet -c constraints.txt $(1); \
	fi
	@touch $@
endef

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing what Cartwheel stands on into .venv ..."
	$(call install,-e .)

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing Cartwheel and its development tools into .venv ..."
	$(call install,-e . --group dev)

.venv/bench: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing Cartwheel and what benchmarks need, peers among it, into .venv ..."
	@$(TORCH)
	@$(GYMNAX)
	$(call install,-e . --group bench)

.venv/oracles: .venv/dev
	@echo "installing PyTorch, DeZero, array-api-strict and stable-baselines3 into .venv ..."
	@$(TORCH)
	$(call install,--group oracles)

.venv/ray: .venv/dev
	@echo "installing Ray into .venv ..."
	$(call install,-e '.[ray]')

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Cartwheel needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv 2>/dev/null || echo "uv can't be had here; pip does it, in more time"
