"""Objects and order of addons."""

import pytest
import yaml
from ansible.errors import AnsibleError

from tests.unit.roles.manifests import ROLES, images, manifest, read, render, templar

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: hello, labels: {app: hello}}
---
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: hello}
"""


def rendered(text=DEPLOYMENT, namespace="hello"):
    given = {"addon_name": "hello", "addon_manifest": text, "addon_namespace": namespace}
    asked = templar("addon", **given)
    return asked.template("{{ addon_objects }}"), asked.template(
        "{{ addon_objects | kubelab_types }}"
    )


def test_every_object_gets_the_label_and_keeps_its_own():
    items, _ = rendered()
    assert all(item["metadata"]["labels"]["kubelab/addon"] == "hello" for item in items)
    assert items[1]["metadata"]["labels"]["app"] == "hello"


def test_the_namespace_is_made_once_and_first():
    items, types = rendered()
    assert [item["kind"] for item in items] == ["Namespace", "Deployment", "ClusterRole"]
    assert types == ["ClusterRole.v1.rbac.authorization.k8s.io", "Deployment.v1.apps", "Namespace"]
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: hello}\n---"
    assert [item["kind"] for item in rendered(space + DEPLOYMENT)[0]].count("Namespace") == 1


def test_a_namespace_of_the_system_is_not_made():
    assert [item["kind"] for item in rendered(namespace="kube-system")[0]] == [
        "Deployment",
        "ClusterRole",
    ]


WRITTEN = """
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: hello, annotations: {kubelab/written-by: hello}}
"""


@pytest.mark.parametrize(("found", "applied"), [([], 4), (["Secret   hello   key"], 3)])
def test_what_a_controller_writes_to_is_created_and_never_applied_again(found, applied):
    given = {"addon_name": "hello", "addon_namespace": "hello"}
    given |= {"addon_manifest": f"{DEPLOYMENT}---{WRITTEN}", "addon_found": {"stdout_lines": found}}
    asked = templar("addon", **given)
    assert [item["kind"] for item in asked.template("{{ addon_created }}")] == ["Secret"]
    assert len(asked.template("{{ addon_applied_list }}")["items"]) == applied
    # What an earlier call of the role found is not taken for this one's.
    skipped = templar("addon", **given | {"addon_found": {"skipped": True}})
    assert len(skipped.template("{{ addon_applied_list }}")["items"]) == 4


def test_addons_come_after_those_that_they_require():
    given = [
        {"name": "a", "requires": ["c", "flannel"]},
        {"name": "b"},
        {"name": "c", "requires": ["b"]},
    ]
    ordered = templar("addon", given=given).template("{{ given | kubelab_in_order }}")
    assert [component["name"] for component in ordered] == ["b", "c", "a"]


def test_addons_that_require_each_other_are_refused():
    given = [{"name": "a", "requires": ["b"]}, {"name": "b", "requires": ["a"]}]
    with pytest.raises(AnsibleError, match="a -> b -> a"):
        templar("addon", given=given).template("{{ given | kubelab_in_order }}")


def test_all_addons_of_the_set_are_wanted_by_default():
    hello = {"kind": "addon", "name": "hello", "version": "1"}
    asked = templar("addon", common_manifest=manifest("1.20.2", hello))
    assert asked.template("{{ addon_names }}") == ["hello"]


PAGES = {
    name: value
    for path in (ROLES / "dashboard/vars/main").glob("*.yml")
    if path.stem != "main"
    for name, value in read(path).items()
}
IMAGES = images(dashboard="1", metrics_scraper="1", headlamp="1", kube_web_view="1")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_all_that_the_tasks_read(page):
    assert set(PAGES[page]) == set(PAGES["dashboard_page_headlamp"])
    name = PAGES[page]["template"].removesuffix(".yml.j2")
    choices = read(ROLES / "dashboard/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert name in choices["dashboard_name"]["choices"]
    component = {"kind": "dashboard", "name": name, "version": "1", "images": IMAGES}
    given = {"common_manifest": manifest("1.20.2", component)}
    assert templar("dashboard", **given).template("{{ dashboard_page }}") == PAGES[page]
    documents = [
        document
        for template in ("accounts.yml.j2", PAGES[page]["template"], "service.yml.j2")
        for document in yaml.safe_load_all(render("dashboard", template, **given))
    ]
    deployments = [
        f"deployment/{d['metadata']['name']}" for d in documents if d["kind"] == "Deployment"
    ]
    assert sorted(deployments) == sorted(PAGES[page]["wait_for"])
    pods = [d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment"]
    references = {image["reference"] for image in IMAGES.values()}
    assert {c["image"] for pod in pods for c in pod["containers"]} <= references


def test_a_dashboard_is_applied_before_workers_join_and_waited_for_after_all_else():
    plays = {play["name"]: play for play in read(ROLES.parent / "playbooks/site.yml")}
    early, join, _, whole = list(plays)[-5:-1]
    assert plays[join]["ansible.builtin.import_playbook"] == "join.yml"
    (apply,) = plays[early]["tasks"]
    assert apply["ansible.builtin.import_role"] == {"name": "dashboard", "tasks_from": "apply"}
    assert plays[whole]["ansible.builtin.import_playbook"] == "dashboard.yml"
    # Applied once: by the role itself only where the question of apply was not asked.
    begin, main = (read(ROLES / f"dashboard/tasks/{name}.yml") for name in ("begin", "main"))
    assert "dashboard_others" in [task.get("register") for task in begin]
    assert main[0]["when"] == "dashboard_others is undefined"
