# Targets for users and developers. A lab target is one call of kubelab, in the virtual environment of make.
# PROFILE=embedded selects a lab spec from profiles/; LAB=name selects a lab if there are several.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PROFILE ?=
LAB ?=
SPEC ?=
NODE ?=
VENV := .venv
BIN := $(VENV)/bin
KUBELAB := $(BIN)/kubelab
NAMED := $(if $(LAB),--name $(LAB),$(if $(PROFILE),--name $(subst .,-,$(PROFILE))))
# The Python of $(VENV): python3, or a newer or older one beside it if kubelab does not run by that. A host of apt that
# has none gets its distribution's own, which is 3.11 to 3.13 there; an EL9, whose own is 3.9, gets python3.12.
# PYTHON=python3.13 takes another.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
FOUND := $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
APT := $(shell command -v apt-get)
PYTHON ?= $(or $(FOUND),$(if $(APT),python3,python3.12))
# Packages that the set-up itself needs, because pip compiles libvirt-python. kubelab installs the others.
ifneq ($(APT),)
SETUP_PACKAGES := $(PYTHON)-venv $(PYTHON)-dev libvirt-dev pkg-config gcc
SETUP_INSTALL := apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y $(SETUP_PACKAGES)
else
SETUP_PACKAGES := $(PYTHON) $(PYTHON)-devel libvirt-devel pkgconf-pkg-config gcc
# EL has the headers of libvirt in a repository that is off: crb, on RHEL itself codeready-builder. Fedora has none.
HEADERS_OFF := crb|codeready-builder-for-rhel-[0-9]+-[a-z0-9_]+-rpms
SETUP_INSTALL := dnf -y install $$(dnf -q repolist --disabled | sed -nE 's/^($(HEADERS_OFF)) .*/--enablerepo=\1/p') $(SETUP_PACKAGES)
endif
SETUP_THERE := $(PYTHON) -c 'import ensurepip; $(FITS)' 2>/dev/null && pkg-config --exists libvirt 2>/dev/null && command -v gcc >/dev/null

# Folders that `make test` and `make test-extended` share; the mark `extended` selects the tests.
TESTS_REAL := $(wildcard tests/contract) tests/stories tests/registry tests/roles tests/packages tests/machine
# Unit tests that are skipped if the host packages for virtual machines are not installed.
TESTS_WITH_VM_PACKAGES := tests/unit/providers/libvirt tests/unit/test_vagrantfile.py

# The programs of a virtual environment have the path of its folder in them: one that was moved is made anew.
MADE_IN := $(if $(wildcard $(VENV)/pyvenv.cfg),$(shell sed -n 's/^command = .* -m venv \(--clear \)*//p' $(VENV)/pyvenv.cfg))
MOVED := $(and $(MADE_IN),$(filter-out $(subst $() ,?,$(CURDIR)/$(VENV)),$(subst $() ,?,$(MADE_IN))))

.PHONY: help setup lab-up lab-down lab-status lab-verify lab-reset lab-rejoin lab-dashboard lint test test-all test-fast test-real \
  test-extended test-vm test-kvm test-centos7 test-bench bench bench-kvm lock docs clean moved

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Create the virtual environment (the other targets do so too)

$(VENV)/.ready: requirements.lock pyproject.toml $(if $(MOVED),moved)
	@$(SETUP_THERE) || { echo "==> installing $(SETUP_PACKAGES)"; $(SETUP_INSTALL); }
	@echo "==> making $(VENV) from requirements.lock"
	@$(PYTHON) -c '$(FITS)' || { echo "kubelab runs by Python 3.11, 3.12 or 3.13, and $(PYTHON) is another: make PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -m venv $(if $(MOVED),--clear) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

moved:
	@echo "==> $(VENV) was made in $(MADE_IN:/$(VENV)=)"

lab-up: setup ## Bring a cluster up: PROFILE=NAME (default: a profile that this host can run)
	@$(KUBELAB) up $(PROFILE) $(if $(LAB),--name $(LAB))

lab-status: setup ## Show the current state of the lab
	@$(KUBELAB) status $(NAMED)

lab-verify: setup ## Check that the cluster works
	@$(KUBELAB) verify $(NAMED)

lab-reset: setup ## Remove a worker from the cluster and clean its machine: NODE=worker1
	@$(if $(NODE),,echo "Which node? make lab-reset NODE=worker1" >&2; exit 2;)$(KUBELAB) node reset $(NODE) $(NAMED)

lab-rejoin: setup ## Join a worker to the cluster again: NODE=worker1
	@$(if $(NODE),,echo "Which node? make lab-rejoin NODE=worker1" >&2; exit 2;)$(KUBELAB) node rejoin $(NODE) $(NAMED)

lab-dashboard: setup ## Open the dashboard of the cluster, until Ctrl-C
	@$(KUBELAB) dashboard $(NAMED)

lab-down: setup ## Destroy the lab: machines, network and state
	@$(KUBELAB) destroy --yes $(NAMED)

lint: setup ## Check formatting, types, imports, Ansible and YAML
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports
	@$(BIN)/yamllint --strict .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline -q

test-fast: setup ## Run unit tests and lint: no root, about a minute
	@KUBELAB_TESTS_BEFORE_PACKAGES=1 $(BIN)/pytest -q -n auto tests/unit
	@$(MAKE) --no-print-directory lint

test-real: setup ## Test machines, roles and one lab of the default profile (root)
	@$(KUBELAB) artifacts build
	@$(BIN)/python -m tests.host_packages
	@$(BIN)/pytest -q -m "not extended" $(TESTS_REAL)

test-extended: setup ## Run what `make test` leaves out: the other profiles, networks and dashboards
	@$(KUBELAB) artifacts build
	@$(KUBELAB) artifacts build embedded-1.31
	@$(BIN)/python -m tests.host_packages
	@$(BIN)/pytest -q -m extended $(TESTS_REAL)

test-vm: setup ## Test one virtual machine; with emulation in a quarter of an hour
	@$(BIN)/pytest -q tests/vm
	@$(BIN)/pytest -q $(TESTS_WITH_VM_PACKAGES)

test-kvm: setup ## Test the three-node lab on virtual machines; with emulation in half an hour
	@$(BIN)/pytest -q -s tests/kvm

test-centos7: setup ## Test CentOS 7 on virtual machines and write one report to send back: SPEC=FILE
	@$(if $(SPEC),,echo "Which spec? make test-centos7 SPEC=profiles/centos7.yml" >&2; exit 2;)\
	SPEC=$(abspath $(SPEC)) $(BIN)/pytest -q -s tests/centos7

test-bench: setup ## Run every benchmark once with small input, without keeping its figures
	@$(BIN)/pytest -q tests/benchmarks

test: test-fast test-real ## Run what has to pass before a change is merged: at most 45 minutes with an empty cache

test-all: test test-extended test-vm test-bench ## Run every test

bench: setup ## Compare kubelab with a bare script, in pairs; measure what a pod network adds
	@$(KUBELAB) artifacts build
	@$(BIN)/python benchmarks/bench_up.py
	@$(BIN)/python benchmarks/bench_node.py
	@$(BIN)/python benchmarks/bench_addons.py

bench-kvm: setup ## Compare it with a plain Vagrantfile on virtual machines; with emulation in forty minutes
	@$(BIN)/python benchmarks/bench_kvm.py

lock: setup ## Resolve the dependencies again and write requirements.lock
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" -o requirements.lock

docs: setup ## Write the generated pages
	@$(KUBELAB) compat --markdown > docs/compat.md
	@$(BIN)/python docs/tested.py
	@$(BIN)/python -m tests.role_readmes

clean: ## Remove the virtual environment and the caches of tools (labs and artifacts stay)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
