# One command for each habit. Everything lives in .venv; PYTHON= and TORCH= choose what it is made of.
PYTHON ?= python3
TORCH ?= 2.13.0
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := 2.8.0 2.9.1 2.10.0 2.11.0 2.12.1 2.13.0 2.14.1 2.15.0
RECORDERS ?= $(HOME)/.cache/compile-doctor/torch

.PHONY: help install demo test check coverage docs bench fuzz record verify-recipes registry schemas build dist clean

help:
	@echo "make demo       set everything up and diagnose a shipped example"
	@echo "make test       set everything up and run the tests"
	@echo "make check      ruff, its format, mypy --strict, import-linter, the manual against --help"
	@echo "make coverage   how much of the torch-free part the tests reach that compile nothing"
	@echo "make docs       the documentation site into site/, its links and anchors checked"
	@echo "make bench      the tables of benchmarks/README.md (most of an hour)"
	@echo "make fuzz       6,000 changed captures, baselines, configurations and cache entries (some ten minutes)"
	@echo "make record TORCH=2.15.0   run the examples and programs on another torch, into tests/evidence"
	@echo "make verify-recipes        prove every recipe on every torch, into recipes/VERIFIED.md"
	@echo "make registry VENVS=...    merge the graph-break registries of installed torches"
	@echo "make schemas    write the JSON Schemas of the documents again, from the records that they are made of"
	@echo "make build      wheel and sdist into dist/, read by twine"

# torch comes first and with its version: nothing later may bring another one.
$(BIN)/compile-doctor: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet "torch==$(TORCH)"
	$(BIN)/python -m pip install --quiet --group test --group check --editable .
	@touch $@

install: $(BIN)/compile-doctor

demo: install
	@echo; echo '$$ compile-doctor diagnose example:four-breaks'; echo
	@$(BIN)/compile-doctor diagnose example:four-breaks; code=$$?; echo; \
	 echo "(exit code $$code: the example has errors, and 1 is what says so)"; test $$code -eq 1

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_readme.py tests/test_project.py

coverage: install
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -m "not compile and not gpu"
	$(BIN)/coverage combine
	$(BIN)/coverage report

# Not --quiet: mkdocs then counts no warnings, and nothing is strict. The variable keeps out a notice about MkDocs 2 alone.
docs: install
	$(BIN)/python -m pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: install
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python benchmarks/suite.py --jobs 2 --write
	$(BIN)/python benchmarks/real.py --write
	$(BIN)/python benchmarks/trace.py --write
	$(BIN)/python benchmarks/overhead.py --write
	$(BIN)/python benchmarks/attention.py --write
	$(BIN)/python benchmarks/recipes.py --write
	$(BIN)/python benchmarks/decode.py --write
	$(BIN)/python benchmarks/mutations.py -j 2 --write
	$(BIN)/python benchmarks/check.py --write
	$(BIN)/python benchmarks/parity.py --write

fuzz: install
	$(BIN)/python benchmarks/fuzz.py --inputs 6000

# A venv per torch version, outside of the repository: 5 to 7 GB each, hard-linked between versions by uv.
record:
	uv venv --quiet --allow-existing --python 3.11 $(RECORDERS)/$(TORCH)
	uv pip install --quiet --python $(RECORDERS)/$(TORCH)/bin/python "torch==$(TORCH)" numpy setuptools click depyf msgspec packaging pyyaml rich
	$(RECORDERS)/$(TORCH)/bin/python tests/record.py $(ONLY)

# Two of them at a time. Each fails without, passes with and fails again; outside of its range it passes.
verify-recipes:
	@for version in $(VERSIONS); do \
	 uv venv --quiet --allow-existing --python 3.11 $(RECORDERS)/$$version && \
	 uv pip install --quiet --python $(RECORDERS)/$$version/bin/python "torch==$$version" numpy setuptools click depyf msgspec packaging pyyaml rich && \
	 PYTHONPATH=. $(RECORDERS)/$$version/bin/python -m compile_doctor patches verify --all -j 2 --table recipes/VERIFIED.md $(ONLY) || failed=1; \
	done; test -z "$$failed"

registry:
	$(PYTHON) tools/graph_break_registry.py $(or $(VENVS),$(addprefix $(RECORDERS)/,$(VERSIONS))) > compile_doctor/data/graph_breaks.json

schemas: install
	$(BIN)/python tools/schemas.py

build: install
	$(BIN)/python -m pip install --quiet --group release
	$(MAKE) dist PYTHON=$(BIN)/python

# What the release workflow runs, with build and twine and without torch. The wheel is made from the sdist: nothing is missing there.
dist:
	rm -rf dist
	$(PYTHON) -m build
	$(PYTHON) -m twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
