# Two commands matter: `make demo` and `make test`. Both make the environment first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
FREE    := $(shell df --output=avail /dev/shm 2>/dev/null | tail -1)
SCRATCH := $(shell test "$(FREE)" -gt 4000000 2>/dev/null && echo /dev/shm || echo $${TMPDIR:-/tmp})
NEW_VENV ?= $(PYTHON) -m venv $(VENV)
INSTALL ?= $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check

# Else each of the many processes compiles all modules anew, three seconds a process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve test pytest nightly mutants lint lock docs clean

# Python compiles a module when it is first read; most modules of the dependencies never are.
$(READY): requirements.lock pyproject.toml
	$(NEW_VENV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	touch $(READY)

demo: $(READY)     ## build a demo world, settle twelve months, print the result
	$(BIN)/fenrun demo demo-workspace --force

serve: $(READY)    ## open the demo world in the portal; DATABASE_URL=postgres://... keeps the portal's rows there
	test -f demo-workspace/fenrun.json || $(BIN)/fenrun demo demo-workspace
	$(BIN)/fenrun serve demo-workspace

lint: $(READY)     ## layout, lint and types
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/ruff check src tests bench docs
	FENRUN_SECRET=unused $(BIN)/mypy

test: lint pytest  ## every test

# Most of an import's time is waiting for the disk: where files can lie in memory, they do.
pytest: $(READY)
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n 3

nightly: $(READY)  ## every test at full size: 10,000 random worlds, every point at which to kill
	FENRUN_NIGHTLY=1 FENRUN_EXAMPLES=10000 $(BIN)/python -m pytest -n 3

mutants: $(READY)  ## plant faults in the engine on purpose; each must be caught
	$(BIN)/python tests/mutants.py

docs: $(READY)     ## write the generated pages, and build the site into site/
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

lock: $(READY)     ## pin every dependency again, with hashes
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras --extra bank --extra dev --extra mcp --extra pdf --extra postgres --extra spark --extra stamps -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) demo-workspace site dist .mypy_cache .pytest_cache .ruff_cache
