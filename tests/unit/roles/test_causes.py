"""Why services and static pods do not run: the script of the role runtime, by made-up programs."""

import os
import subprocess

import pytest

from tests.unit.roles.manifests import ROLES

SCRIPT = ROLES / "runtime/files/docker_causes.sh"
SYSTEMCTL = """\
case "$1 $3" in
  "is-active "*) cat state ;;
  "show LoadState") echo LoadState=loaded ;;
  "show Result") echo "Result=$(cat result)" ;;
  "show NRestarts") echo NRestarts=0 ;;
  "show "*) echo "$3=" ;;
esac
"""
DOCKER = """\
test "$(cat silent)" = "" || exit 1
case "$1 $*" in
  "ps "*--all*) cat ended ;;
  "ps "*) cat running ;;
  "inspect "*) echo 1 ;;
  "logs "*) cat log ;;
esac
"""


@pytest.fixture
def node(tmp_path):
    """A node whose programs answer with what files have; what the script says of it."""
    for name, text in {
        "systemctl": SYSTEMCTL,
        "docker": DOCKER,
        "journalctl": "cat journal",
        "timeout": 'shift; "$@"',
    }.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    (tmp_path / "manifests").mkdir()
    script = SCRIPT.read_text().replace("/etc/kubernetes/manifests", "manifests")
    given = {"state": "active", "result": "success", "running": "x", "ended": "", "journal": ""}
    given["silent"] = ""

    def said(*words, manifest="kind: Pod", **files):
        (tmp_path / "manifests/etcd.yaml").write_text(manifest)
        for name, text in {**given, "log": "", **files}.items():
            (tmp_path / name).write_text(text)
        done = subprocess.run(
            ["sh", "-c", script, "sh", *words],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return said


def test_nothing_is_said_where_all_runs(node):
    assert node("docker.service", "kubelet.service", "--", "etcd") == []


def test_a_service_that_was_stopped_is_told_as_that(node):
    said = node("kubelet.service", "--", state="inactive", journal="E1127 old error")
    assert said == ["kubelet.service is inactive: it was stopped, and did not fail"]


@pytest.mark.parametrize(
    ("journal", "line"),
    [
        ("F1127 10:00:00 server.go:1] the cause\nE1127 later\nbye", "F1127 10:00:00 server.go:1]"),
        ("E1127 the error\nbye", "E1127 the error"),
        ('level=fatal msg="no driver"\nlevel=error msg=x', 'level=fatal msg="no driver"'),
        ("one\ntwo\n", "two"),
    ],
)
def test_a_service_that_failed_is_told_by_its_last_fatal_line(node, journal, line):
    said = node("kubelet.service", "--", state="failed", result="exit-code", journal=journal)
    assert len(said) == 1
    assert said[0].startswith(f"kubelet.service is failed: {line}")


def test_a_manifest_that_is_gone_is_named(node):
    said = node("--", "etcd", manifest="", running="")
    assert said == ["static pod etcd does not run: manifests/etcd.yaml is missing or empty"]


def test_a_manifest_that_kubelet_refuses_is_told_with_its_words(node):
    refused = 'E1127 file.go:1] Can\'t process manifest file "manifests/etcd.yaml": bad yaml'
    said = node("--", "etcd", running="", ended="old", journal=refused)
    assert said == [
        f"static pod etcd does not run, because kubelet refuses its manifest: {refused}"
    ]


def test_a_container_that_ended_is_told_by_its_code_and_its_last_words(node):
    log = '{"level":"info"}\n{"level":"fatal","msg":"the disk is full"}\nbye'
    said = node("--", "etcd", running="", ended="new\nold", log=log)
    assert said == [
        "static pod etcd does not run: its container ended with exit code 1:"
        ' {"level":"fatal","msg":"the disk is full"}'
    ]


def test_a_pod_without_a_container_is_told(node):
    assert node("--", "etcd", running="") == ["static pod etcd does not run: it has no container"]


def test_a_docker_that_is_silent_is_not_taken_for_one_without_containers(node):
    said = node("--", "etcd", "kube-apiserver", running="", silent="yes")
    assert said == [
        "docker does not answer, so nothing is known of the containers of static pods",
        "static pod kube-apiserver does not run: manifests/kube-apiserver.yaml is missing or empty",
    ]
