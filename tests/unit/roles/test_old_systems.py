"""What nodes of CentOS 7 need, and what other nodes must not get."""

import re
import subprocess

import pytest
import yaml

from tests.unit.roles.manifests import ROLES, manifest, render, templar

EL7 = {"os_family": "RedHat", "distribution_major_version": "7"}
EL9 = {"os_family": "RedHat", "distribution_major_version": "9"}
DEBIAN = {"os_family": "Debian", "distribution_major_version": "12"}
ACCOUNTING = "CPUAccounting=true\nMemoryAccounting=true\n"
# Options of our units that systemd 219 knows (its NEWS and man pages).
KNOWN = {
    *("After", "Before", "ConditionPathExists", "Description", "Wants", "WantedBy", "Requires"),
    *("Delegate", "EnvironmentFile", "ExecStart", "ExecStartPre", "ExecStop", "LimitNOFILE"),
    *("CPUAccounting", "MemoryAccounting", "RemainAfterExit", "Restart", "RestartSec", "Type"),
    *("StartLimitInterval",),
}
UNITS = [("kubernetes", "kubelet.service.j2"), ("runtime", "cri-docker.service.j2")]


def tasks(path):
    return yaml.safe_load((ROLES / path).read_text())


def task(path, name):
    return next(t for t in tasks(path) if t["name"] == name)


def unit(role, template, facts):
    given = {"common_manifest": manifest("1.31.14"), "ansible_facts": facts}
    return render(role, template, **given)


@pytest.mark.parametrize(("role", "template"), UNITS)
def test_units_ask_for_accounting_only_where_systemd_does_not_account_by_itself(role, template):
    assert f"{ACCOUNTING}\n[Install]" in unit(role, template, EL7)
    for facts in (EL9, DEBIAN):
        assert "Accounting" not in unit(role, template, facts)
        assert "\n\n[Install]" in unit(role, template, facts)


@pytest.mark.parametrize(("role", "template"), UNITS)
def test_units_have_no_option_that_systemd_219_ignores(role, template):
    text = unit(role, template, EL7).replace("\\\n", "")
    assert set(re.findall(r"^([A-Za-z]+)=", text, re.M)) <= KNOWN


def test_the_shim_may_open_more_files_than_old_systemd_allows():
    text = unit("runtime", "cri-docker.service.j2", EL7)
    assert "LimitNOFILE=1048576\nDelegate=yes\n" in text


def test_docker_asks_for_accounting_by_a_file_beside_its_own_unit():
    written = task("runtime/tasks/docker/install.yml", "Write the settings of docker's unit")
    told = templar("runtime", ansible_facts=EL7)
    content = told.template(written["ansible.builtin.copy"]["content"])
    assert content == f"[Service]\n{ACCOUNTING}"
    for facts, wanted in ((EL7, True), (EL9, False), (DEBIAN, False), ({}, False)):
        found = templar("runtime", ansible_facts=facts).template(f"{{{{ {written['when']} }}}}")
        assert found is wanted, facts


@pytest.mark.parametrize(
    ("facts", "folder"),
    [(EL7, "/usr/bin"), (EL9, "/usr/bin"), (DEBIAN, "/usr/local/bin"), ({}, "/usr/local/bin")],
)
def test_binaries_are_where_sudo_of_the_distribution_looks(facts, folder):
    assert templar(ansible_facts=facts).template("{{ kubernetes_bin_dir }}") == folder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("127.0.1.1 master master", "10.77.0.10 master master"),
        ("127.0.2.1\tmaster.lab master", "10.77.0.10\tmaster.lab master"),
        ("127.0.1.1 other master # mine", "10.77.0.10 other master # mine"),
        ("127.0.0.1 localhost master", None),
        ("127.0.1.1 master2", None),
        ("127.0.1.1 old-master", None),
        ("127.0.1.1 other # not master", None),
        ("# 127.0.1.1 master", None),
        ("10.77.0.10 master", None),
    ],
)
def test_the_own_name_of_a_node_is_no_address_of_the_loopback(before, after):
    name = "Set the node's address for its own name in /etc/hosts"
    wanted = task("node/tasks/main.yml", name)["ansible.builtin.lineinfile"]
    told = templar("node", node_name_pattern="master")
    found = re.search(told.template(wanted["regexp"]), f"{before}\n")
    # As the module does it, with backrefs.
    assert (found.expand(told.template(wanted["line"])) if found else None) == after


@pytest.mark.parametrize(
    ("facts", "iptables", "refused"),
    [(EL7, "nft", 1), (EL7, "legacy", 0), (EL7, "", 0), (EL9, "nft", 0), ({}, "nft", 0)],
)
def test_images_with_rules_that_centos7_does_not_read_are_refused(facts, iptables, refused):
    told = templar(
        ansible_facts=facts,
        common_manifest={**manifest(), "iptables": iptables},
        common_groups_too=[],
    )
    found = told.template("{{ common_refusals | select | list }}")
    assert len(found) == refused
    assert all("Build the set for a spec whose box is centos7" in said for said in found)


WHERE = (
    "artifacts.overrides.artifacts_runtime_docker.repositories; an inventory by node_repositories"
)


@pytest.mark.parametrize(
    ("path", "name", "variable"),
    [
        ("node/tasks/main.yml", "Check that the prerequisites are installed", "node_installed"),
        ("runtime/tasks/docker/install.yml", "Check that docker is installed", "runtime_installed"),
    ],
)
def test_packages_that_cannot_be_had_are_told_with_the_key_for_others(path, name, variable):
    said = task(path, name)["ansible.builtin.assert"]["fail_msg"]
    failed = {variable: {"failed": True, "msg": "No package docker-ce available."}}
    text = templar("node", "runtime", ansible_facts=EL7, **failed).template(said)
    assert text.startswith("master: No package docker-ce available.")
    assert WHERE in text
    debian = templar("node", "runtime", ansible_facts=DEBIAN, **failed).template(said)
    assert "yum.repos.d" not in debian


def test_a_networkmanager_that_is_off_stays_off():
    reload = task("node/tasks/networkmanager.yml", "Reload NetworkManager")
    told = {"node_unmanaged": {"changed": True}, "ansible_check_mode": False}
    for state, wanted in (("active", True), ("inactive", False), ("", False)):
        now = {"node_networkmanager_now": {"stdout": state}}
        assert templar("node", **told, **now).template(f"{{{{ {reload['when']} }}}}") is wanted


SS = """#!/bin/sh
case "$1" in *H*) echo "ss: invalid option -- 'H'" >&2; exit 255;; esac
echo 'Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port'
echo 'tcp LISTEN 0 128 *:6783 *:* users:(("nginx",pid=7,fd=3))'
"""


def test_who_holds_a_port_is_found_by_an_ss_that_always_has_a_header(tmp_path, monkeypatch):
    (tmp_path / "ss").write_text(SS)
    (tmp_path / "ss").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    script = ROLES / "cni/files/check_node.sh"
    words = ["sh", str(script), "--", "6783", "--", "weaver"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "port 6783 is held by nginx\n"
