# One command for each task. Everything is installed into .venv; PYTHON= and TORCH= choose its Python and its torch.
PYTHON ?= python3
TORCH ?= 2.13.0
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := 2.8.0 2.9.1 2.10.0 2.11.0 2.12.1 2.13.0 2.14.1 2.15.0
RECORDERS ?= $(HOME)/.cache/compile-doctor/torch

.PHONY: help install demo test check coverage docs bench fuzz record verify-recipes registry schemas build dist clean

help:
	@echo "make demo       install what diagnose needs, and diagnose a shipped example"
	@echo "make test       install everything and run the tests"
	@echo "make check      ruff, its format, mypy --strict, import-linter, and whether the manual matches --help"
	@echo "make coverage   how much of the code without torch is covered by the tests that compile nothing"
	@echo "make docs       write the documentation site into site/, and check its links and anchors"
	@echo "make bench      write the tables of benchmarks/README.md (takes most of an hour)"
	@echo "make fuzz       read 6,000 altered captures, baselines, configurations and cache entries (about ten minutes)"
	@echo "make record TORCH=2.15.0   run the examples and programs on another torch, into tests/evidence"
	@echo "make verify-recipes        verify every recipe on every torch, into recipes/VERIFIED.md"
	@echo "make registry VENVS=...    merge the graph-break registries of installed torches"
	@echo "make schemas    write the JSON Schemas of the documents, from the records in the code"
	@echo "make build      write wheel and sdist into dist/, and check them with twine"

# What the tool needs. torch is installed first, with its version, so that nothing later installs another one; pip shows
# its progress on a terminal, which is cleared before the demo's report.
$(BIN)/compile-doctor: pyproject.toml
	@echo "1 of 3  a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@echo "2 of 3  torch $(TORCH), by far the largest part"
	@$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install $$(test -t 1 || echo --quiet) "torch==$(TORCH)"
	@echo "3 of 3  compile-doctor"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@
	@test ! -t 1 || printf '\033[H\033[2J'

# What tests and checks need too.
$(VENV)/.groups: $(BIN)/compile-doctor pyproject.toml
	$(BIN)/python -m pip install --quiet --group test --group check
	@touch $@

install: $(VENV)/.groups

demo: $(BIN)/compile-doctor
	@echo '$$ compile-doctor diagnose example:four-breaks'; echo
	@$(BIN)/compile-doctor diagnose example:four-breaks; code=$$?; echo; \
	 if test $$code -eq 1; then echo "(exit code 1, because the example has errors)"; \
	 else echo "(exit code $$code, and 1 was expected)"; exit 1; fi

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

# Not --quiet: mkdocs then counts no warnings, so --strict has no effect. The variable only hides a notice about MkDocs 2.
docs: install
	$(BIN)/python -m pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: install
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python benchmarks/suite.py --jobs 2 --write
	$(BIN)/python benchmarks/exam.py --write
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

# A venv per torch version, outside the repository: 5 to 7 GB each; uv hard-links files that versions share.
record:
	uv venv --quiet --allow-existing --python 3.11 $(RECORDERS)/$(TORCH)
	uv pip install --quiet --python $(RECORDERS)/$(TORCH)/bin/python "torch==$(TORCH)" numpy setuptools click depyf libcst msgspec packaging platformdirs pyyaml rich
	$(RECORDERS)/$(TORCH)/bin/python tests/record.py $(ONLY)

# Two recipes in parallel. A program has to fail without its recipe, pass with it, and fail again; outside the range it passes.
verify-recipes:
	@for version in $(VERSIONS); do \
	 uv venv --quiet --allow-existing --python 3.11 $(RECORDERS)/$$version && \
	 uv pip install --quiet --python $(RECORDERS)/$$version/bin/python "torch==$$version" numpy setuptools click depyf libcst msgspec packaging platformdirs pyyaml rich && \
	 PYTHONPATH=. $(RECORDERS)/$$version/bin/python -m compile_doctor patches verify --all -j 2 --table recipes/VERIFIED.md $(ONLY) || failed=1; \
	done; test -z "$$failed"

registry:
	$(PYTHON) tools/graph_break_registry.py $(or $(VENVS),$(addprefix $(RECORDERS)/,$(VERSIONS))) > compile_doctor/data/graph_breaks.json

schemas: install
	$(BIN)/python tools/schemas.py

build: install
	$(BIN)/python -m pip install --quiet --group release
	$(MAKE) dist PYTHON=$(BIN)/python

# The release workflow runs this, with build and twine, without torch. The wheel is made from the sdist, which proves that the
# sdist is complete.
dist:
	rm -rf dist
	$(PYTHON) -m build
	$(PYTHON) -m twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
