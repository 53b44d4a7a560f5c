# Everything that a person does with this checkout. Set-up happens by itself, once, and is remembered in .venv.

PYTHON ?= python3
BIN := .venv/bin
SLOW := browser or fuzz or load or npm or postgresql or redis or slow
INSTALL = $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: demo test quick check bench docs fuzz clean

demo: .venv/.runtime  # the auth service, APIs and an app at work, live
	@$(BIN)/python -m examples.demo

test: .venv/.development tests/interop/node_modules/.ready tests/authorization_server/backoffice/node_modules/.ready tests/authorization_server/interop/node_modules/.ready  # every test
	@$(BIN)/pytest --numprocesses auto --dist worksteal --quiet

quick: .venv/.development  # what needs no installed service, for the loop while one works
	@$(BIN)/pytest --numprocesses auto --dist worksteal --quiet -m "not ($(SLOW))"

check: .venv/.development  # formatting, lint, types, floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fuzz: .venv/.fuzz  # ten minutes of input that nobody thought of
	@$(BIN)/python tests/fuzz/tokens.py -max_total_time=300 -len_control=0 -max_len=512 -print_final_stats=1
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest --numprocesses auto --dist worksteal --quiet -m fuzz

bench: .venv-bench/.ready benchmarks/node_modules/.ready  # the figures, beside the peers
	@.venv-bench/bin/python benchmarks/run.py

docs: .venv/.documentation  # the site, with search, and the reference made from the docstrings
	@$(BIN)/zensical build --clean --strict
	@$(BIN)/pdoc --output-directory build/docs/api roomkey
	@echo "The documentation is in build/docs/index.html, the reference in build/docs/api/index.html"

clean:
	rm -rf .venv .venv-bench build dist .cache tests/*/node_modules tests/*/*/node_modules benchmarks/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# pip itself comes first: the one that Debian 12 ships knows no dependency groups.
.venv/.pip: constraints.txt
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) pip
	@touch $@

.venv/.runtime: .venv/.pip pyproject.toml
	@$(INSTALL) --editable '.[cli,server]'
	@touch $@

.venv/.development: .venv/.runtime
	@$(INSTALL) --group dev
	@touch $@

.venv/.fuzz: .venv/.development
	@$(INSTALL) --group fuzz
	@touch $@

.venv/.documentation: .venv/.runtime
	@$(INSTALL) --group docs
	@touch $@

.venv-bench/.ready: benchmarks/requirements.txt benchmarks/constraints.txt pyproject.toml
	@echo "Setting up .venv-bench (once) ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --constraint benchmarks/constraints.txt --requirement benchmarks/requirements.txt --editable '.[server]'
	@touch $@

# Without Node and npm, or where npm reaches no registry, this is left out, and tests and benchmarks say what they lack.
%/node_modules/.ready: %/package.json
	@if command -v npm >/dev/null; then \
		echo "Setting up $* (once) ..."; \
		npm install --prefix $* --loglevel=error --fetch-retries=1 >/dev/null && touch $@ || echo "npm could not set up $*"; \
	fi
