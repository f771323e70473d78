"""Certificates that end are renewed, and what is older than they are is restarted.

The programs that the script starts are made up.
"""

import os
import subprocess
import time

import pytest
import yaml

from tests.unit.roles.manifests import ROLES

SCRIPT = ROLES / "control_plane/files/renew_certificates.sh"
# What kubeadm prints, of 1.20 and 1.31 alike.
TABLE = """\
CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERN
admin.conf                 Nov 27, 2027 23:19 UTC   364d                                    no
apiserver                  Nov 27, 2026 23:19 UTC   {left:<15} ca                      no
etcd-server                Nov 27, 2027 23:19 UTC   1y              etcd-ca                 no
!MISSING! front-proxy-client

CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
ca                      Nov 24, 2036 23:19 UTC   {of_ca:<15} no
etcd-ca                 Nov 24, 2036 23:19 UTC   {of_ca:<15} no
front-proxy-ca          Nov 24, 2036 23:19 UTC   {of_ca:<15} no
"""
KUBEADM = r"""
case "$*" in
  "certs check-expiration "*) cat table ;;
  "init phase kubeconfig kubelet "*)
    printf '    client-%s-data: %s\n' certificate Q0VSVAo= key S0VZCg== \
      > pki/renewal/kubelet.conf ;;
esac
echo "kubeadm $*" >> calls
"""
PROGRAMS = {
    "kubeadm": KUBEADM,
    "openssl": "cat said",
    "flock": "",
    "systemctl": 'echo "systemctl $*" >> calls',
    "pgrep": "cat pids",
    "ps": 'case "$*" in *etimes*) cat age ;; *) echo "etcd --name x" ;; esac',
}


@pytest.fixture
def node(tmp_path):
    """A control plane: its files, and what the script prints and calls there."""
    (tmp_path / "etc/pki/etcd").mkdir(parents=True)
    (tmp_path / "pki").mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    for name in ("pki/apiserver.crt", "pki/etcd/server.crt"):
        (tmp_path / "etc" / name).touch()
    for name in ("controller-manager.conf", "scheduler.conf"):
        (tmp_path / "etc" / name).touch()
    # The certificate that is in use, as kubelet keeps it.
    (tmp_path / "pki/kubelet-client-current.pem").symlink_to("kubelet-client-old.pem")
    script = SCRIPT.read_text().replace("/run/lock/kubelab-kubeadm", "lock")
    script = script.replace("etc=/etc/kubernetes pki=/var/lib/kubelet/pki", "etc=etc pki=pki")
    # Builtin of the shell: what it would end are processes of this host.
    script = script.replace("kill $older", "echo kill $older >> calls")

    def run(table=None, left="364d", of_ca="9y", said="Certificate will not expire", **files):
        given = {"table": TABLE.format(left=left, of_ca=of_ca), "said": f"{said}\n"}
        given |= {"pids": "", "age": "1", "calls": ""} | ({} if table is None else {"table": table})
        for name, text in {**given, **files}.items():
            (tmp_path / name).write_text(text)
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        calls = (tmp_path / "calls").read_text().splitlines()
        return done.stdout.splitlines(), [c for c in calls if "check-expiration" not in c]

    run.folder = tmp_path
    return run


@pytest.mark.parametrize("left", ["<invalid>", "0s", "59m", "23h", "9d", "29d"])
def test_certificates_that_expired_or_end_within_a_month_are_renewed(node, left):
    told, calls = node(left=left)
    assert told == ["renewed: apiserver"]
    assert calls == ["kubeadm certs renew all --config /etc/kubeadm.yml"]


@pytest.mark.parametrize("more", [{"left": "30d"}, {"left": "1y"}, {"of_ca": "9d"}, {"table": ""}])
def test_nothing_is_done_where_nothing_of_ours_ends_or_nobody_knows(node, more):
    assert node(**more) == ([], [])


def test_a_machine_without_a_control_plane_is_left_alone(node):
    (node.folder / "etc/pki/apiserver.crt").unlink()
    assert node(left="<invalid>") == ([], [])


def test_a_kubelet_whose_certificate_expired_gets_another_one_for_its_owner_alone(node):
    told, calls = node(said="Certificate will expire")
    assert told == ["renewed: kubelet"]
    assert calls[-1] == "systemctl restart kubelet"
    renewed = node.folder / "pki/kubelet-client-current.pem"
    assert renewed.read_text() == "CERT\nKEY\n"
    assert renewed.stat().st_mode & 0o777 == 0o600
    assert not (node.folder / "pki/renewal").exists()


def test_the_key_that_a_killed_run_left_is_removed_by_the_next(node):
    (node.folder / "pki/renewal").mkdir()
    (node.folder / "pki/renewal/other").write_text("KEY")
    assert node() == ([], [])
    assert not (node.folder / "pki/renewal").exists()


def test_what_is_older_than_its_certificates_is_restarted_also_by_a_later_run(node):
    told, calls = node(pids="11\n12\n", age="60")
    assert told == ["restarted: etcd"]
    assert calls == ["kill 11 12", "systemctl restart kubelet"]


def test_what_started_after_its_certificates_goes_on(node):
    before = time.time() - 60
    for path in (node.folder / "etc").rglob("*.c*"):
        os.utime(path, (before, before))
    assert node(pids="11\n", age="30") == ([], [])


@pytest.mark.parametrize(
    ("openssl", "told"),
    [("exit 0", []), ("exit 1", ["expired"]), (None, [])],
)
def test_a_worker_whose_kubelet_cannot_renew_its_certificate_is_half_joined(
    openssl, told, tmp_path
):
    tasks = yaml.safe_load((ROLES / "join/tasks/main.yml").read_text())
    question = tasks[0]["ansible.builtin.shell"]["cmd"]
    for name in ("/run/lock", "/etc/kubernetes", "/var/lib/kubelet"):
        question = question.replace(name, f"{tmp_path}{name}")
        (tmp_path / name[1:]).mkdir(parents=True)
    (tmp_path / "etc/kubernetes/kubelet.conf").touch()
    (tmp_path / "var/lib/kubelet/pki").mkdir()
    (tmp_path / "var/lib/kubelet/pki/kubelet-client-current.pem").touch()
    programs = {
        "flock": "",
        "find": "echo kubelet.conf",
        **({"openssl": openssl} if openssl else {}),
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", question],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["kubelet.conf", "kubelet.conf", *told]
