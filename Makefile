# Two commands: `make search` and `make test`. Both set up what they need, and only once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt

.PHONY: search test test-all faults cluster-test bench mutants lint format docs clean

search: $(VENV)/.installed
	$(BIN)/python -m nas.search --space resnext

# Two files of tests at a time: most of them wait for processes of their own. In their own order, as
# the long ones have few tests, and would else come last, one alone.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# the slow ones, too: an hour
test-all: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or not slow" -n 2 --dist loadfile --no-loadscope-reorder

faults: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/faults -m "slow or not slow" -n 2 --dist worksteal

# hosts of a network that fails: namespaces of the kernel, for root, with iproute2
cluster-test: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/hosts -m slow

# the speed of training against DataLoader and against the limit: a table, and benchmarks/training.json
bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/training.py --json benchmarks/training.json

# make mutants SAMPLE=300 PROCESSES=2 ONLY="nas/space nas/cost.py"
mutants: $(VENV)/.installed-mutants
	nice -n 10 $(BIN)/python tests/mutants --sample $(or $(SAMPLE),300) \
	  --processes $(or $(PROCESSES),1) $(if $(ONLY),--only $(ONLY))

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# the documentation site, in .site; a dead link fails
docs: $(VENV)/.installed-docs
	$(BIN)/python -m mkdocs build --quiet
	@echo "open .site/index.html"

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(INPUTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(INPUTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-mutants: $(INPUTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed

$(VENV)/.installed-docs: $(INPUTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@ $(VENV)/.installed
