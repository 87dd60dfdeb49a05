# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer: the first of them
# to run sets up .venv, and later runs bring it up to date when pyproject.toml has changed.
#
#   make demo ARGS="..."      pass options on to the demo
#   make test ARGS="-k hermite"   pass options on to pytest
#   make bench ARGS="--only predict levels"   run some of the benchmarks (also --quick, --help)
#   make UNPINNED=1 setup     the newest versions of everything, not those that were tested
#   make PYTHON=/path/to/python3.12 ...   choose the interpreter that .venv is made from

VENV   := .venv
BIN    := $(VENV)/bin
UNPINNED ?=
# One for each choice of versions: whoever changes the choice gets what they ask for.
STAMP  := $(VENV)/.installed$(if $(UNPINNED),-newest)
DOCS_STAMP := $(VENV)/.docs-installed
RELEASE_STAMP := $(VENV)/.release-installed
LOWEST := $(VENV)/lowest
BENCH_STAMP := $(VENV)/.bench-installed
PYTHON ?=
ARGS   ?=
# What is installed beside the core: `make EXTRAS=dev,gpu test` adds PyTorch, and the tests with it.
EXTRAS ?= dev
# The versions that were tested together (CONTRIBUTING.md says how to make the file), or the newest.
VERSIONS := $(if $(UNPINNED),--upgrade --upgrade-strategy eager,--constraint constraints.txt)
INSTALL := -m pip install --quiet --disable-pip-version-check $(VERSIONS)

# Two processes at most, and one BLAS thread in each: more threads than cores make small matrices slow.
# The tests of a file stay in one process, which makes what they share once.
PYTEST_OPTIONS := -m pytest -n auto --maxprocesses=2 --dist loadfile
PYTEST := $(BIN)/python $(PYTEST_OPTIONS)
# With other versions or kernels: without the tests of documents, figures and processes.
ELSEWHERE := -m "not slow and not once"

# What `python -c` must accept for an interpreter to be usable.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-portable test-lowest constraints lint format bench docs wheel-check release-check clean distclean

help:
	@echo "make demo       predict, simulate and compare; writes a table and a figure to demo-output/"
	@echo "make test       run the tests"
	@echo "make test-slow  run the tests marked slow"
	@echo "make test-portable  run the tests as on a processor without AVX-512"
	@echo "make test-lowest  run the tests on the lowest versions that pyproject.toml allows"
	@echo "make constraints  write the newest versions to constraints.txt, which make setup installs"
	@echo "make lint       check format, lint, types and import directions"
	@echo "make format     format the code and mend what ruff can mend"
	@echo "make bench      run the benchmarks, a quarter of an hour on two idle cores; writes docs/benchmarks.*"
	@echo "make docs       build the documentation, in docs/_build/html (warnings are errors)"
	@echo "make wheel-check  build what is released, in dist, and use it beside the core dependencies alone"
	@echo "make release-check  the same in clean environments of the oldest and the newest Python, before a release"
	@echo "make clean      remove caches and build outputs (make distclean: .venv, demo-output and docs/_report too)"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if ! "$(BIN)/python" -c 'import pip; $(USABLE)' >/dev/null 2>&1; then \
	    chosen=; \
	    for candidate in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11 python3; do \
	        if [ -n "$$candidate" ] && "$$candidate" -c '$(USABLE)' >/dev/null 2>&1; then \
	            chosen="$$candidate"; break; \
	        fi; \
	    done; \
	    if [ -z "$$chosen" ]; then \
	        echo "error: no usable Python found. rmt needs Python 3.11 or newer with the modules venv and" >&2; \
	        echo "ensurepip (on Debian and Ubuntu the package python3-venv). Tried: $(if $(PYTHON),$(PYTHON) )python3.14" >&2; \
	        echo "python3.13 python3.12 python3.11 python3. Name one with: make PYTHON=/path/to/python3" >&2; \
	        exit 1; \
	    fi; \
	    if [ -n "$(PYTHON)" ] && [ "$$chosen" != "$(PYTHON)" ]; then \
	        echo "note: PYTHON=$(PYTHON) is not a usable Python 3.11 or newer; taking $$chosen" >&2; \
	    fi; \
	    echo "Creating $(VENV) with $$("$$chosen" --version)"; \
	    "$$chosen" -m venv --clear "$(VENV)"; \
	fi; \
	echo "Installing rmt and its development tools into $(VENV) (minutes, the first time)"; \
	"$(BIN)/python" $(INSTALL) -e '.[$(EXTRAS)]'; \
	rm -f "$(VENV)"/.*installed*; \
	touch "$@"

demo: $(STAMP)
	@$(BIN)/python -m validation demo $(ARGS)

test test-slow test-portable test-lowest bench docs: export OPENBLAS_NUM_THREADS := 1
test test-slow test-portable test-lowest bench docs: export OMP_NUM_THREADS := 1
test test-slow test-portable test-lowest bench docs: export MKL_NUM_THREADS := 1

test: $(STAMP)
	@$(PYTEST) $(ARGS)

test-slow: $(STAMP)
	@$(PYTEST) -m slow $(ARGS)

# Other kernels of NumPy and BLAS add in another order, and round otherwise. Without these features
# nothing changes.
test-portable: $(STAMP)
	@NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR" OPENBLAS_CORETYPE=Haswell $(PYTEST) $(ELSEWHERE) $(ARGS)
# The lowest versions have an environment of their own, made with the newest Python that all of them
# have wheels for.
$(LOWEST)/.installed: pyproject.toml tools/lowest_versions.py $(STAMP)
	@set -e; chosen=; \
	for candidate in "$(BIN)/python" python3.12 python3.11; do \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; then \
	        chosen="$$candidate"; break; \
	    fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	    echo "error: the lowest versions need Python 3.11 or 3.12, and neither was found" >&2; exit 1; \
	fi; \
	echo "Installing the lowest versions that are allowed into $(LOWEST) (minutes, the first time)"; \
	"$$chosen" -m venv --clear "$(LOWEST)"; \
	"$(BIN)/python" tools/lowest_versions.py dev >"$(LOWEST)/constraints.txt"; \
	"$(LOWEST)/bin/python" -m pip install --quiet --disable-pip-version-check \
	    --constraint "$(LOWEST)/constraints.txt" -e '.[dev]'; \
	touch "$@"

# What `make setup` installs: the newest of everything. Run the tests on it before it goes in. PyTorch
# has builds for many devices, and is left to whoever installs it.
constraints: $(STAMP)
	@"$(BIN)/python" -m venv --clear "$(VENV)/newest"
	@"$(VENV)/newest/bin/python" -m pip install --quiet --disable-pip-version-check \
	    -e '.[dev,docs,release]'
	@{ echo "# Versions that were tested together; made by: make constraints"; \
	    "$(VENV)/newest/bin/python" -m pip freeze --exclude-editable; } >constraints.txt
	@rm -rf "$(VENV)/newest"

test-lowest: $(LOWEST)/.installed
	@$(LOWEST)/bin/python $(PYTEST_OPTIONS) $(ELSEWHERE) $(ARGS)

lint: $(STAMP)
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

# What the benchmarks compare with: the extra `bench`, one by one, so that what cannot be installed
# takes nothing with it. scikit-rmt asks for older versions of NumPy and SciPy than rmt and gets an
# environment of its own. Without one of them, its rows say so.
PEERS := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")
$(BENCH_STAMP): $(STAMP)
	@echo "Installing what the benchmarks compare with into $(VENV)"
	@"$(BIN)/python" -c '$(PEERS)' | while read -r peer; do "$(BIN)/python" $(INSTALL) "$$peer" \
	    </dev/null || echo "note: $$peer could not be installed; its rows will be skipped"; done
	@{ "$(BIN)/python" -m venv --clear "$(VENV)/scikit-rmt" && "$(VENV)/scikit-rmt/bin/python" -m pip \
	    install --quiet --disable-pip-version-check scikit-rmt==2.1.1; } \
	    || { rm -rf "$(VENV)/scikit-rmt"; echo "note: no scikit-rmt; its rows will be skipped"; }
	@touch "$@"

bench: $(BENCH_STAMP)
	@"$(BIN)/python" -m benchmarks $(ARGS)

# Sphinx and its company are installed when the documentation is first built. What has been computed
# is kept while the code is the same (docs/extensions/kept.py): figures, gallery and notebook until
# `make clean`, the networks of the validation report, in docs/_report, until `make distclean`.
$(DOCS_STAMP): $(STAMP)
	@echo "Installing what builds the documentation into $(VENV)"
	@"$(BIN)/python" $(INSTALL) -e '.[$(EXTRAS),docs]'
	@touch "$@"

docs: $(DOCS_STAMP)
	@$(BIN)/python -m sphinx -W --keep-going -q -j 2 -b html docs docs/_build/html $(ARGS)
	@echo "The documentation is in docs/_build/html/index.html"

# So is what builds and checks a release.
$(RELEASE_STAMP): $(STAMP)
	@echo "Installing what builds a release into $(VENV)"
	@"$(BIN)/python" $(INSTALL) -e '.[$(EXTRAS),release]'
	@touch "$@"

wheel-check: $(RELEASE_STAMP)
	@$(BIN)/python tools/wheel_check.py

# Interpreters may be named: make release-check ARGS="/path/to/python3.11 /path/to/python3.14"
release-check: $(RELEASE_STAMP)
	@$(BIN)/python tools/release_check.py $(ARGS)

clean:
	rm -rf docs/_build docs/_generated docs/gallery
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) demo-output docs/_report
