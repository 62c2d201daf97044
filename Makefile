# Everything sets itself up: a virtual environment in .venv, and on Debian the system packages.

PY := .venv/bin/python
# Three workers suit two cores, since simulated boards wait a good part of their time.
WORKERS ?= 3
# Simulated boards run in real time: on a busy machine one may be late. What is broken fails each
# time, and every repetition is named at the end and counted in the closing line.
AGAIN := --reruns 2

.PHONY: help demo test test-full test-hawkbit lint setup bench clean

help:  ## show this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup:
	@tools/setup.sh run

demo: setup  ## run the simulated Pico with the sample application, and print its address
	@$(PY) tools/demo.py

lint:
	@tools/setup.sh test
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

test: lint  ## check and run all tests, the heavy sweeps as a stratified sample
	$(PY) -m pytest -q -rsR -n $(WORKERS) --dist worksteal $(AGAIN) -m "not full and not hawkbit"

test-full: lint  ## the same with every sweep in full
	$(PY) -m pytest -q -rsR -n $(WORKERS) --dist worksteal $(AGAIN) -m "not hawkbit"

test-hawkbit:  ## the fleet's verbs against a hawkBit, which needs java and mvn
	@tools/setup.sh test
	@tools/hawkbit.sh
	$(PY) -m pytest -q -rs tests/hawkbit

bench: setup  ## measure every figure of docs/measured.md
	@tools/setup.sh test
	@$(PY) -m bench

clean:  ## remove what the set-up and the tests have made
	rm -rf .venv .tools build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
