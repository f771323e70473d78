"""No value of a spec, of a set, or of a path is code for Ansible: real runs on this host."""

import contextlib
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.errors import LabError
from provisioner.inventory import Places, render_inventory
from provisioner.lab import PROJECT
from provisioner.model import Access, Traits
from provisioner.playbooks import run_playbook
from provisioner.spec import LabSpec, parse_spec, read_spec
from tests.unit.roles.manifests import manifest

SHOW = """
- hosts: cluster
  connection: local
  gather_facts: false
  become: false
  roles: [common]
  tasks:
    - ansible.builtin.copy:
        content: "{{ found | to_json }}"
        dest: "{{ shown_in }}/{{ inventory_hostname }}.json"
        mode: "0600"
      vars:
        found:
          host: "{{ inventory_hostname | string }}"
          extra: "{{ extra }}"
          node_proxy: "{{ node_proxy }}"
          password_file: "{{ cni_weave_password_file }}"
          mirrors: "{{ runtime_docker_daemon_extra['registry-mirrors'] }}"
          artifacts: "{{ artifacts_dir }}"
          arguments: "{{ ansible_ssh_common_args }}"
          key: "{{ ansible_ssh_private_key_file }}"
          images: "{{ common_images }}"
          settings: "{{ common_kubernetes.settings }}"
          repository: "{{ kubernetes_image_repository }}"
    - ansible.builtin.set_fact:
        again: "{{ common_kubernetes.settings.note }}"
    - ansible.builtin.command:
        argv: [printf, "%s", "{{ again }}"]
      register: answer
    - ansible.builtin.copy:
        content: "{{ answer.stdout }}"
        dest: "{{ shown_in }}/{{ inventory_hostname }}.answer"
        mode: "0600"
"""


@pytest.fixture
def hostile(tmp_path, good, monkeypatch):
    """A run in which every string is a template that would write a file."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("HOME", str(tmp_path))
    code = "{{ lookup('pipe', 'cd && touch trace') }}{% if 1 %}x{% endif %}"
    cache = tmp_path / code
    cache.mkdir()
    components = manifest()
    kubernetes = components["components"][0]
    kubernetes["settings"]["note"] = code
    kubernetes["images"]["etcd"]["reference"] = code
    components["repository"] = code
    components["components"][2]["name"] = "weave"
    (cache / "manifest.json").write_text(json.dumps(components))
    good["kubernetes"] = {"version": kubernetes["version"]}
    good["cni"] = {"name": "weave", "encryption": True}
    good["nodes"] = good["nodes"][:1]
    spec = LabSpec.model_validate(good)
    artifacts = spec.artifacts.model_copy(
        update={"proxy": code, "registry_mirror": {"docker.io": code}}
    )
    cni = spec.cni.model_copy(update={"password_file": code})
    spec = spec.model_copy(update={"artifacts": artifacts, "cni": cni})
    access = Access("root", cache / "key", cache / "known")
    places = Places(tmp_path / "inventory.yml", cache / "kubeconfig", cache)
    places.inventory.write_text(render_inventory(spec, Traits(), access, places))
    return SimpleNamespace(code=code, trace=trace, cache=cache, places=places, access=access)


def run(hostile, tmp_path):
    (tmp_path / "shown").mkdir()
    (tmp_path / "show.yml").write_text(SHOW)
    events = []
    run_playbook(
        tmp_path / "show.yml",
        hostile.places.inventory,
        phase="show",
        listen=events.append,
        config=PROJECT / "ansible.cfg",
        variables={"extra": {"a": [hostile.code]}, "shown_in": str(tmp_path / "shown")},
    )
    return events


def test_a_real_run_of_ansible_passes_every_value_on_and_starts_nothing(hostile, tmp_path):
    run(hostile, tmp_path)
    assert not hostile.trace.exists()
    found = json.loads((tmp_path / "shown/master.json").read_text())
    code = hostile.code
    assert found.pop("images")["etcd"] == code
    assert found.pop("settings")["note"] == code
    assert shlex.split(found.pop("arguments")) == ["-F", "/dev/null", *hostile.access.options]
    assert found == {
        "host": "master",
        "extra": {"a": [code]},
        "node_proxy": code,
        "password_file": code,
        "mirrors": [code],
        "artifacts": str(hostile.cache),
        "key": str(hostile.access.key),
        "repository": code,
    }
    assert (tmp_path / "shown/master.answer").read_text() == code


def test_the_same_run_starts_a_program_without_the_marks(hostile, tmp_path):
    """What proves that the run above would have shown a value that is evaluated."""
    plain = hostile.places.inventory.read_text().replace("!unsafe ", "")
    hostile.places.inventory.write_text(plain)
    with contextlib.suppress(LabError):
        run(hostile, tmp_path)
    assert hostile.trace.exists()


NAMES = ["10", "1e3", "null", "on", "0x1f", "true", "12345678901234567890"]
NAMED = """
- hosts: all
  connection: local
  gather_facts: false
  become: false
  vars_files:
    - "{{ roles_at }}/control_plane/defaults/main.yml"
    - "{{ roles_at }}/control_plane/vars/main.yml"
  roles: [common]
  tasks:
    - ansible.builtin.assert:
        that:
          - inventory_hostname is string
          - first_control_plane == '10'
          - hostvars[inventory_hostname].node_ip == ansible_host
    - ansible.builtin.template:
        src: "{{ roles_at }}/control_plane/templates/kubeadm.yml.j2"
        dest: "{{ shown_in }}/{{ inventory_hostname }}.yml"
        mode: "0600"
    - ansible.builtin.command: echo {{ inventory_hostname }} {{ groups.workers | join(' ') }}
      delegate_to: "{{ first_control_plane }}"
      register: told
    - ansible.builtin.assert:
        that: told.stdout == inventory_hostname ~ ' 1e3 null on 0x1f true 12345678901234567890'
"""


@pytest.mark.parametrize("limit", ["", "1e3"])
def test_nodes_whose_names_yaml_reads_as_something_else_keep_them_in_a_run_of_kubelab(
    limit, good, tmp_path
):
    good["nodes"] = [
        {"name": name, "role": "worker" if i else "control-plane", "address": f"10.77.0.{i + 10}"}
        for i, name in enumerate(NAMES)
    ]
    (tmp_path / "lab.yml").write_text(yaml.safe_dump(good))
    spec = read_spec(tmp_path / "lab.yml", offers)
    (tmp_path / "shown").mkdir()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()))
    places = Places(tmp_path / "inventory.yml", tmp_path / "kubeconfig", tmp_path)
    access = Access("root", tmp_path / "key", tmp_path / "known")
    places.inventory.write_text(render_inventory(spec, Traits(), access, places))
    (tmp_path / "named.yml").write_text(NAMED)
    paths = {"shown_in": str(tmp_path / "shown"), "roles_at": str(PROJECT / "roles")}
    recap = run_playbook(
        tmp_path / "named.yml",
        places.inventory,
        phase="show",
        listen=lambda _: None,
        config=PROJECT / "ansible.cfg",
        limit=limit,
        variables={**paths, "ansible_connection": "local"},
    )
    assert set(recap.hosts) == {limit} if limit else set(NAMES)
    for name in recap.hosts:
        text = (tmp_path / f"shown/{name}.yml").read_text()
        assert next(yaml.safe_load_all(text))["nodeRegistration"]["name"] == name


def test_every_string_of_an_inventory_has_the_mark(good):
    spec = parse_spec(good, "lab.yml", offers)
    access = Access("admin", Path("/key"), Path("/known"), hop="me@far")
    places = Places(Path("/i.yml"), Path("/k"), Path("/set"))
    slow = Traits(shared_kernel=True, own_swap=False, own_disk=False, slowness=8, runtime_disk="d")
    root = yaml.compose(render_inventory(spec, slow, access, places))
    unmarked = [
        node.value
        for node in values(root)
        if node.tag not in ("!unsafe", *(f"tag:yaml.org,2002:{t}" for t in ("int", "bool")))
    ]
    assert not unmarked


def values(node):
    if isinstance(node, yaml.ScalarNode):
        yield node
    for inner in node.value if not isinstance(node, yaml.ScalarNode) else ():
        yield from values(inner[1] if isinstance(inner, tuple) else inner)
