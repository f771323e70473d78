"""What roles read of the manifest of an artifact set."""

import json

import pytest
from ansible.errors import AnsibleError

from tests.unit.roles.manifests import images, manifest, templar, variables

HELLO = {
    "kind": "addon",
    "name": "hello",
    "version": "1",
    "packages": {"Debian": ["jq"]},
    "repositories": {"RedHat": {"hello": {"url": "v"}}},
    "images": images(hello="1"),
}


def facts(family: str, major: str) -> dict[str, object]:
    return {"os_family": family, "distribution_major_version": major}


def test_components_are_found_by_kind():
    asked = templar(common_manifest=manifest("1.31.4", HELLO))
    assert asked.template("{{ kubernetes_version }}") == "1.31.4"
    assert asked.template("{{ cni_name }}") == "flannel"
    assert asked.template("{{ common_runtime.name }}") == "docker"
    assert asked.template("{{ common_addons | map(attribute='name') | list }}") == ["hello"]
    assert asked.template("{{ common_dashboard }}") == {}


def test_images_of_all_components_are_found_by_name():
    found = templar(common_manifest=manifest("1.20.2", HELLO)).template("{{ common_images }}")
    assert found["pause"] == "kubelab.local/pause:3.2"
    assert found["hello"] == "kubelab.local/hello:1"


@pytest.mark.parametrize(
    ("family", "major", "runtime", "node"),
    [
        ("Debian", "12", ["docker.io"], ["jq"]),
        ("RedHat", "9", ["docker-ce"], []),
        ("RedHat", "7", ["docker-ce-26.1.4-1.el7"], []),
        ("Suse", "15", [], []),
    ],
)
def test_the_longer_name_of_a_family_wins(family, major, runtime, node):
    given = {"common_manifest": manifest("1.20.2", HELLO), "ansible_facts": facts(family, major)}
    asked = templar(**given)
    assert asked.template("{{ common_runtime_packages }}") == runtime
    assert asked.template("{{ common_node_packages }}") == node


def test_repositories_come_from_all_components():
    given = {"common_manifest": manifest("1.20.2", HELLO), "ansible_facts": facts("RedHat", "7")}
    assert set(templar(**given).template("{{ common_repositories }}")) == {"base", "hello"}


def test_the_manifest_is_read_from_the_folder_of_the_set(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest("1.31.4")))
    asked = templar(artifacts_dir=str(tmp_path), common_manifest=variables()["common_manifest"])
    assert asked.template("{{ kubernetes_version }}") == "1.31.4"
    (tmp_path / "manifest.json").unlink()
    assert asked.template("{{ kubernetes_version }}") == ""


def test_another_key_of_a_component_is_refused():
    with pytest.raises(AnsibleError, match="files is neither"):
        templar(ansible_facts=facts("Debian", "12")).template(
            "{{ common_components | kubelab_of_family('files', ansible_facts) }}"
        )


def test_the_first_control_plane_may_be_chosen():
    hosts = {name: {"ansible_host": f"10.0.0.{i}"} for i, name in enumerate(("a", "b"))}
    given = {"groups": {"control_plane": ["a", "b"]}, "hostvars": hosts}
    assert templar(**given).template("{{ api_endpoint }}") == "10.0.0.0:6443"
    assert (
        templar(first_control_plane="b", **given).template("{{ api_endpoint }}") == "10.0.0.1:6443"
    )
