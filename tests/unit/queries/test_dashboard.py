"""What a service says of a dashboard, and what a reader of it is told."""

import pytest

from provisioner.artifacts.artifact_set import order_of
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.artifacts.sources.pypi import requirements
from provisioner.catalog.compat_facts import conflicts_in
from provisioner.catalog.load import load_catalog
from provisioner.errors import SpecError
from provisioner.phases.request import cluster_stays
from provisioner.queries.dashboard import Page
from provisioner.spec import Artifacts, LabSpec, parse_spec

GIVEN = {"path": "/h.tar", "sha256": "0" * 64}
ARCHIVE = {"artifacts_builds": {"headlamp-0.44.0": GIVEN}}


def page(exposure="ClusterIP", login=True, given=""):
    return Page("headlamp", exposure, "http", 80, 30080, login, given)


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (page(), "http://127.0.0.1:8090/"),
        (page("NodePort"), "http://10.0.0.2:30080/"),
        (page("LoadBalancer"), "http://10.0.0.2:30080/"),
        (page("LoadBalancer", given="192.0.2.7"), "http://192.0.2.7:80/"),
    ],
)
def test_the_address_follows_from_the_exposure(found, url):
    assert found.url("10.0.0.2", 8090) == url


def test_a_page_with_a_login_on_the_loopback_is_no_reason_to_warn():
    assert not list(page().warnings("admin-user"))


def test_an_admin_token_on_a_network_is_told():
    assert any("whole cluster" in said for said in page("NodePort").warnings("admin-user"))
    assert not list(page("NodePort").warnings("viewer"))


def test_a_page_without_a_login_is_told_always():
    for exposure in ("ClusterIP", "NodePort"):
        said = list(page(exposure, login=False).warnings(""))
        assert "has no login" in said[0]


def test_a_url_that_nothing_forwards_and_a_certificate_of_its_own_are_told():
    assert any("without --print" in said for said in page().warnings("", forwarded=False))
    assert not list(page("NodePort").warnings("viewer", forwarded=False))
    secure = Page("kubernetes-dashboard", "ClusterIP", "https", 443, 0, True)
    assert any("the browser warns" in said for said in secure.warnings("viewer"))


def test_a_load_balancer_that_is_not_there_is_told():
    assert "pending" in next(iter(page("LoadBalancer").warnings("")))


@pytest.mark.parametrize("name", ["headlamp", "kubernetes-dashboard"])
def test_a_page_without_its_images_is_refused_with_what_to_give(good, name):
    good["dashboard"] = name
    with pytest.raises(SpecError) as refused:
        parse_spec(good, "lab.yml", offers)
    assert f"dashboard.name = '{name}'" in refused.value.details
    assert "{path: FILE, sha256: SUM}" in refused.value.details


@pytest.mark.parametrize("source", ["packages", "upstream"])
@pytest.mark.parametrize("kubernetes", ["1.20.2", "1.31.4", "1.31.14"])
def test_a_cluster_gets_the_dashboard_that_fits_it(good, kubernetes, source):
    workshop = workshop_of(Artifacts(source=source))
    good["kubernetes"]["version"], good["dashboard"] = kubernetes, "kubernetes-dashboard"
    spec = LabSpec(**good)
    (page,) = [c for c in workshop.catalog.resolve(spec.choices) if c.kind == "dashboard"]
    assert page.version == ("2.6.0" if kubernetes == "1.20.2" else "2.7.0")
    assert not list(conflicts_in(workshop.catalog, spec))
    image = page.images["dashboard"]
    assert image.archive == f"kubernetes-dashboard-{page.version}/file"
    assert image.tag == f"v{page.version}"


def test_a_page_that_the_cluster_cannot_serve_is_refused_though_a_spec_insists(good):
    good["dashboard"] = "kubernetes-dashboard"
    files = dict.fromkeys(("kubernetes-dashboard-2.7.0", "metrics-scraper-1.0.8"), GIVEN)
    good["artifacts"]["overrides"] = {
        "artifacts_builds": files,
        "artifacts_dashboard_kubernetes_dashboard": {"kubernetes": ""},
    }
    with pytest.raises(SpecError) as refused:
        parse_spec(good, "lab.yml", offers)
    assert "CronJobs of batch/v1" in refused.value.details


def test_a_component_without_a_version_for_the_cluster_is_refused(good):
    good["dashboard"] = "headlamp"
    late = {"kubernetes": ">=1.30", "version": "9"}
    good["artifacts"]["overrides"] = {**ARCHIVE, "artifacts_dashboard_headlamp": late}
    with pytest.raises(SpecError) as refused:
        parse_spec(good, "lab.yml", offers)
    said = "no version of it is for Kubernetes 1.20.2, there is 9 for >=1.30"
    assert said in refused.value.details


def test_the_short_form_is_the_long_one_and_is_in_the_schema(good):
    good["dashboard"] = "kube-web-view"
    found = parse_spec(good, "lab.yml", offers).dashboard
    assert (found.name, found.exposure, found.node_port) == ("kube-web-view", "ClusterIP", 0)
    forms = LabSpec.model_json_schema()["properties"]["dashboard"]["anyOf"]
    assert "string" in [form.get("type") for form in forms]


def test_archives_of_a_dashboard_leave_the_cluster_as_it_is(good):
    old = parse_spec(good, "lab.yml", offers)
    good["dashboard"], good["artifacts"]["overrides"] = "headlamp", ARCHIVE
    assert cluster_stays(old, parse_spec(good, "lab.yml", offers))
    good["artifacts"]["overrides"] = {"artifacts_image_repository": "other.local", **ARCHIVE}
    good["artifacts"]["overrides"]["artifacts_builds"] |= {"etcd-3.4": {"packages": ["etcd"]}}
    assert not cluster_stays(old, parse_spec(good, "lab.yml", offers))


def test_a_baked_box_carries_nothing_of_a_dashboard(good):
    good["dashboard"] = "kube-web-view"
    good["provider"] = {"name": "vagrant", "box": {"name": "debian12"}}
    spec = parse_spec(good, "lab.yml", offers)
    order = order_of(spec, workshop_of(spec.artifacts))
    assert "dashboard" in {c.kind for c in order.components}
    assert {c.kind for c in order.in_the_box.components} == {"kubernetes", "runtime", "cni"}


def test_every_wheel_has_a_version_and_a_sum():
    lines = requirements(load_catalog({}).python_locks["kube-web-view"]).splitlines()
    assert len(lines) > 20
    assert all("==" in line and len(line.rpartition(":")[2]) == 64 for line in lines)
