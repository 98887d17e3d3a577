# make demo   exports the shipped network clip-free and shows the difference
# make test   lints and runs the tests, in two processes of some 2 GiB each (make test WORKERS=8)
# make targets  sets up emulated ARM64, a software GPU and an NPU compiler (see docs/targets.md)
# All make .venv first; nothing but Python 3.10 to 3.13, make and a package index is needed.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

.PHONY: demo test targets clean

demo: .venv/ready
	$(BIN)/sr-bench demo xlsr_x3 --out demo --overwrite

targets: .venv/ready
	$(BIN)/sr-bench targets --set-up all

# Each worker takes its own part of the list, so what tests of a package share is made once. The ten
# slowest are printed: where time goes is seen before it adds up.
test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=10

.venv/ready: setup.cfg constraints.txt
	$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and 'expected Python 3.10 to 3.13, found ' + sys.version.split()[0] + '; give another with make PYTHON=...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv demo
