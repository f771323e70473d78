"""A node called 10, on, 1e3 or null is one of that name: in templates, and in real runs of Ansible.

Native Jinja takes a value that looks like a number for one, and YAML does so, too.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml

from provisioner.checks.verify import WORKLOAD
from tests.unit.roles.manifests import ROLES, manifest, render, variables

NAMES = ["10", "010", "0x1f", "0b1", "0o7", "1e3", "1j", "on", "off", "yes", "n", "null", "true"]
NAMES += ["nan", "12345678901234567890", "2026-11-27", "1-0", "e", "none"]
HOST = {"node_ip": "10.77.0.10", "ansible_host": "10.77.0.10"}


def hosts(name):
    """The variables that name a control plane of that name, as a run has them."""
    own = {"inventory_hostname": name, **HOST}
    return {
        **own,
        "groups": {"control_plane": [name], "workers": [], "cluster": [name]},
        "hostvars": {name: own},
        "first_control_plane": name,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", ["1.20.2", "1.31.4"])
def test_kubeadm_gets_the_name_as_a_string(name, version):
    text = render(
        "control_plane",
        "kubeadm.yml.j2",
        common_manifest=manifest(version),
        api_endpoint="10.77.0.10:6443",
        **hosts(name),
    )
    registration = next(yaml.safe_load_all(text))["nodeRegistration"]
    assert registration["name"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_workload_of_verify_is_put_on_the_node_of_that_name(name):
    text = jinja2.Template(WORKLOAD.read_text()).render(
        namespace=name, other="1e3", image="web", asker=name, nodes=[name]
    )
    found = list(yaml.safe_load_all(text))
    pod = found[-1]
    assert pod["spec"]["nodeName"] == name
    assert pod["metadata"]["name"] == f"ask-{name}"
    assert {item["metadata"].get("namespace", name) for item in found} == {name, "1e3"}
    assert pod["spec"]["containers"][0]["image"] == name


def plays(text):
    """Every string value of a file of tasks or of variables, with the key that it has."""

    def walk(value, key=""):
        if isinstance(value, dict):
            for inner, below in value.items():
                yield from walk(below, str(inner))
        elif isinstance(value, list):
            for below in value:
                yield from walk(below, key)
        elif isinstance(value, str):
            yield key, value.strip()

    return walk(yaml.safe_load(text))


NAMING = re.compile(r"inventory_hostname|groups\[.*\]\[0\]|cni_node|\w+_name|\w+\.name")


def test_no_name_stands_alone_in_an_expression():
    """``{{ name }}`` alone is evaluated again by native Jinja; the filter string prevents that."""
    found = []
    for path in [*ROLES.rglob("*.yml"), *ROLES.parent.glob("playbooks/*.yml")]:
        if path.is_relative_to(ROLES / "artifacts"):
            continue
        for key, value in plays(path.read_text()):
            bare = re.fullmatch(r"{{\s*([^{}|]+?)\s*}}", value)
            names = key in ("name", "addon_name", "first_control_plane")
            if not bare or bare[1] == "first_control_plane":
                continue
            if key == "delegate_to" or (names and NAMING.fullmatch(bare[1])):
                found.append(f"{path.relative_to(ROLES.parent)}: {key}: {value}")
    assert not found


PLAY = """
- hosts: cluster
  gather_facts: false
  connection: local
  roles: [common]
  tasks:
    - ansible.builtin.assert:
        that:
          - inventory_hostname is string
          - first_control_plane is string
          - first_control_plane == groups['control_plane'][0]
          - api_endpoint == '10.77.0.1:6443'
    - ansible.builtin.set_fact:
        told: "{{ inventory_hostname | string }}"
      delegate_to: "{{ first_control_plane }}"
      delegate_facts: true
    - ansible.builtin.assert:
        that: hostvars[first_control_plane].told is defined
    - ansible.builtin.template:
        src: "{{ roles_at }}/control_plane/templates/kubeadm.yml.j2"
        dest: "{{ shown_in }}/{{ inventory_hostname }}.yml"
        mode: "0600"
      vars:
        kubernetes_pod_cidr: 10.244.0.0/16
"""


def test_a_real_run_reaches_nodes_of_such_names(tmp_path):
    (tmp_path / "shown").mkdir()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()))
    own = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "artifacts_dir": str(tmp_path),
        "shown_in": str(tmp_path / "shown"),
        "roles_at": str(ROLES),
    }
    own |= {k: v for k, v in variables("control_plane").items() if k.startswith("control_plane_")}
    each = {name: {"node_ip": f"10.77.0.{i}"} for i, name in enumerate(NAMES, start=1)}
    groups = {
        "cluster": {"hosts": each, "vars": own},
        "control_plane": {"hosts": {NAMES[0]: {}}},
        "workers": {"hosts": {key: {} for key in NAMES[1:]}},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
    (tmp_path / "play.yml").write_text(PLAY)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", tmp_path / "hosts.yml", tmp_path / "play.yml"),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROLES.parent / "ansible.cfg")},
        cwd=ROLES.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NAMES:
        first = next(yaml.safe_load_all((tmp_path / f"shown/{name}.yml").read_text()))
        assert first["nodeRegistration"]["name"] == name


WORDS = {
    "kubelab.local/pause:3.2": "--pod-infra-container-image=kubelab.local/pause:3.2",
    "a b": '"--pod-infra-container-image=a b"',
    'a"\\b': r'"--pod-infra-container-image=a\"\\b"',
    "%n $HOME": '"--pod-infra-container-image=%%n $$HOME"',
    "a\nExecStartPre=/bin/x": r'"--pod-infra-container-image=a\nExecStartPre=/bin/x"',
}


@pytest.mark.parametrize("value", WORDS)
def test_a_value_is_one_word_of_a_unit(value):
    components = manifest("1.31.4")
    components["components"][0]["images"]["pause"]["reference"] = value
    text = render("runtime", "cri-docker.service.j2", common_manifest=components)
    assert WORDS[value] in [line.strip() for line in text.splitlines()]


QUOTED = re.compile(r"\|\s*(to_json(\(.*\))?|tojson|int|to_nice_yaml\(.*\))$", re.S)
YAML_TEMPLATES = sorted([*ROLES.rglob("*.yml.j2"), WORKLOAD])
# What a unit of systemd or a configuration of CNI gets, and kubeadm by its standard input.
OTHERS = sorted(set(ROLES.rglob("*.j2")) - set(YAML_TEMPLATES))
ONE_WORD = re.compile(r"\|\s*(to_json|kubelab_word)$")
# Words of the template's own, and what a role's variables say, which no spec sets.
CONSTANTS = ["secret", "table", "chain", "rule", "common_unit_accounting"]
CONSTANTS += ["kubernetes_kubelet_extra_args"]


def expressions(text):
    """The expressions whose values a template puts into its output."""
    words = []
    for _, kind, word in jinja2.Environment(autoescape=True).lex(text):
        if kind == "variable_begin":
            words = []
        elif kind == "variable_end":
            yield "".join(words).strip()
        else:
            words.append(word)


@pytest.mark.parametrize("path", YAML_TEMPLATES, ids=lambda path: path.name)
def test_every_expression_in_a_template_of_yaml_is_quoted_by_a_filter(path):
    bare = [e for e in expressions(path.read_text()) if not QUOTED.search(e)]
    assert [e for e in bare if e not in CONSTANTS] == []


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_every_expression_in_another_template_is_one_word(path):
    text = path.read_text()
    # An expression that was made one word before it got a name.
    made = re.findall(r"{% set (\w+) = [^%]*\| kubelab_word %}", text)
    bare = [e for e in expressions(text) if not ONE_WORD.search(e)]
    assert [e for e in bare if e not in (*CONSTANTS, *made)] == []


def test_the_other_templates_are_there():
    assert {"kubelet.service.j2", "10-bridge.conflist.j2"} <= {path.name for path in OTHERS}
