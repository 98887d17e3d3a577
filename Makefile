# make demo   exports the shipped network clip-free and shows the difference
# make test   lints and runs the tests
# Both make .venv first; nothing but Python 3.10 to 3.13, make and a package index is needed.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/ready
	$(BIN)/sr-bench demo xlsr_x3 --out demo --overwrite

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

.venv/ready: setup.cfg constraints.txt
	$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and 'expected Python 3.10 to 3.13, found ' + sys.version.split()[0] + '; give another with make PYTHON=...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv demo
