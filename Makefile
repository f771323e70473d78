# What people type. Each target is one call of kubelab, in a virtual environment that make itself keeps.
# PROFILE=embedded picks a lab spec from profiles/; LAB=name picks a lab when several exist.

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
# What the set-up itself needs, before kubelab can look for the rest: libvirt-python is compiled here.
ifneq ($(shell command -v apt-get),)
SETUP_PACKAGES := python3-venv python3-dev libvirt-dev pkg-config gcc
SETUP_INSTALL := apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y $(SETUP_PACKAGES)
else
SETUP_PACKAGES := python3-devel libvirt-devel pkgconf-pkg-config gcc
SETUP_INSTALL := dnf -y install $(SETUP_PACKAGES)
endif
SETUP_THERE := python3 -c 'import ensurepip' 2>/dev/null && pkg-config --exists libvirt 2>/dev/null && command -v gcc >/dev/null

# What `make test` and `make test-extended` share; the mark `extended` says which of the two.
TESTS_REAL := $(wildcard tests/contract) tests/stories tests/roles tests/packages tests/machine
# Unit tests that are skipped where the packages of a lab of virtual machines are not installed yet.
TESTS_WITH_VM_PACKAGES := tests/unit/providers/libvirt tests/unit/test_vagrantfile.py

.PHONY: help setup lab-up lab-down lab-status lab-verify lab-reset lab-rejoin lab-dashboard lint test test-all test-fast test-real \
  test-extended test-vm test-kvm test-centos7 test-bench bench bench-kvm lock docs clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make the virtual environment (every other target does it too)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(SETUP_THERE) || { echo "==> installing $(SETUP_PACKAGES)"; $(SETUP_INSTALL); }
	@echo "==> making $(VENV) from requirements.lock"
	@python3 -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lab-up: setup ## Bring a cluster up: PROFILE=embedded (the choice where nothing is said)
	@$(KUBELAB) up $(PROFILE) $(if $(LAB),--name $(LAB))

lab-status: setup ## Show the lab as it is now
	@$(KUBELAB) status $(NAMED)

lab-verify: setup ## Prove that the cluster works
	@$(KUBELAB) verify $(NAMED)

lab-reset: setup ## Take a worker out of the cluster, its machine clean: NODE=worker1
	@$(if $(NODE),,echo "Which node? make lab-reset NODE=worker1" >&2; exit 2;)$(KUBELAB) node reset $(NODE) $(NAMED)

lab-rejoin: setup ## Bring a worker back into the cluster: NODE=worker1
	@$(if $(NODE),,echo "Which node? make lab-rejoin NODE=worker1" >&2; exit 2;)$(KUBELAB) node rejoin $(NODE) $(NAMED)

lab-dashboard: setup ## Lead to the web page about the cluster, until Ctrl-C
	@$(KUBELAB) dashboard $(NAMED)

lab-down: setup ## Destroy the lab: machines, network and state
	@$(KUBELAB) destroy --yes $(NAMED)

lint: setup ## Formatting, types, import rules, Ansible and YAML rules
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports
	@$(BIN)/yamllint --strict .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline -q

test-fast: setup ## Unit tests and lint: no root, about a minute
	@KUBELAB_TESTS_BEFORE_PACKAGES=1 $(BIN)/pytest -q tests/unit
	@$(MAKE) --no-print-directory lint

test-real: setup ## The default profile for real: machines, roles and the stories of one lab (root)
	@$(KUBELAB) artifacts build
	@$(BIN)/python -m tests.host_packages
	@$(BIN)/pytest -q -m "not extended" $(TESTS_REAL)

test-extended: setup ## What `make test` leaves out: the other profiles, networks and dashboards
	@$(KUBELAB) artifacts build
	@$(KUBELAB) artifacts build embedded-1.31
	@$(BIN)/python -m tests.host_packages
	@$(BIN)/pytest -q -m extended $(TESTS_REAL)

test-vm: setup ## One virtual machine and all that is done with it; by emulation a quarter of an hour
	@$(BIN)/pytest -q tests/vm
	@$(BIN)/pytest -q $(TESTS_WITH_VM_PACKAGES)

test-kvm: setup ## The three-node lab on virtual machines; by emulation for half an hour
	@$(BIN)/pytest -q -s tests/kvm

test-centos7: setup ## CentOS 7 on virtual machines, whole, with one report to send back: SPEC=FILE
	@$(if $(SPEC),,echo "Which spec? A copy of profiles/centos7.yml with the sum of the box: make test-centos7 SPEC=FILE" >&2; exit 2;)\
	SPEC=$(abspath $(SPEC)) $(BIN)/pytest -q -s tests/centos7

test-bench: setup ## Every benchmark once and small, to see that it runs; its figures are not kept
	@$(BIN)/pytest -q tests/benchmarks

test: test-fast test-real ## What has to pass before a change lands: at most 45 minutes from nothing

test-all: test test-extended test-vm test-bench ## Every test there is: what "done" means

bench: setup ## kubelab against a bare script, in pairs; what a pod network adds
	@$(KUBELAB) artifacts build
	@$(BIN)/python benchmarks/bench_up.py
	@$(BIN)/python benchmarks/bench_node.py
	@$(BIN)/python benchmarks/bench_addons.py

bench-kvm: setup ## The same on virtual machines, against a plain Vagrantfile; by emulation for forty minutes
	@$(BIN)/python benchmarks/bench_kvm.py

lock: setup ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" -o requirements.lock

docs: setup ## Write the pages that are made from data
	@$(KUBELAB) compat --markdown > docs/compat.md
	@$(BIN)/python docs/tested.py
	@$(BIN)/python -m tests.role_readmes

clean: ## Remove the virtual environment and what tools left here (labs and caches stay)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
