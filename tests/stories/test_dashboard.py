"""Dashboards on a real lab of two nodes: one in a browser, two as far as an API server goes."""

import json
import shutil
import subprocess
import time
import urllib.request

import pytest
import yaml

from tests.stories.sets import component_images, set_with

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


PAGE = {"name": "kube-web-view"}
pytestmark = [pytest.mark.lab("dashboard"), pytest.mark.extended]


@pytest.fixture(scope="module")
def lab(module_lab):
    return module_lab


@pytest.fixture
def have(lab, tmp_path):
    """Brings the lab up with that dashboard, whatever it has now."""

    def have(**dashboard):
        spec = tmp_path / "spec.yml"
        spec.write_text(yaml.safe_dump(lab.data() | {"dashboard": dashboard or "none"}))
        return lab.json("up", "-f", str(spec))

    return have


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = shutil.which("chromium")
        found = driver.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def forward(lab, have):
    """`kubelab dashboard` as a person has it, until it is stopped."""
    have(**PAGE)
    process = lab.start("dashboard", "--name", lab.name, "--port", "18090", "--json")
    answer = json.loads(process.stdout.readline())
    yield answer
    process.terminate()
    assert process.wait(timeout=30) == 0


def body(url):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return direct.open(url, timeout=60).read().decode()


class TestPage:
    def test_nodes_and_pods_are_seen_in_a_browser(self, lab, forward, browser, tmp_path):
        page = browser.new_page(viewport={"width": 1200, "height": 700})
        page.goto(f"{forward['url']}clusters/local/nodes", timeout=60_000)
        text = page.inner_text("body")
        assert "master" in text
        assert "worker1" in text
        page.screenshot(path=str(lab.home / "kube-web-view.png"))
        page.goto(f"{forward['url']}clusters/local/namespaces/kube-system/pods", timeout=60_000)
        assert "kube-apiserver-master" in page.inner_text("body")
        page.close()

    def test_secrets_are_refused(self, forward, browser):
        page = browser.new_page()
        page.goto(f"{forward['url']}clusters/local/namespaces/_all/secrets", timeout=60_000)
        assert "403" in page.inner_text("body") or "orbidden" in page.inner_text("body")
        page.close()

    def test_a_second_up_changes_nothing(self, have):
        have(**PAGE)
        assert set(have(**PAGE)["changed"].values()) == {0}


@pytest.mark.parametrize(
    ("user", "able", "unable"),
    [("admin-user", "delete nodes", ""), ("viewer", "list nodes", "list secrets")],
)
def test_a_token_alone_may_do_what_its_account_may(lab, have, tmp_path, user, able, unable):
    have(**PAGE)
    token = lab.json("dashboard", "--name", lab.name, "--print", "--user", user)["token"]
    config = yaml.safe_load((lab.dir / "kubeconfig").read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config))

    def may(words):
        argv = [str(lab.dir / "bin/kubectl"), "--kubeconfig", str(file), "auth", "can-i"]
        return subprocess.run(
            [*argv, *words.split()], capture_output=True, text=True
        ).stdout.strip()

    assert may(able) == "yes"
    assert may(f"{unable} -A") == "no" if unable else True


def test_a_node_port_is_reached_by_the_address_of_a_node(lab, have):
    have(**PAGE, exposure="NodePort", node_port=30090)
    answer = lab.json("dashboard", "--name", lab.name)
    assert answer["url"] == f"http://{lab.address(10)}:30090/"
    assert any("has no login" in said for said in answer["warnings"])
    assert "worker1" in body(f"{answer['url']}clusters/local/nodes")


def test_a_load_balancer_that_is_not_there_is_told(lab, have):
    have(**PAGE, exposure="LoadBalancer")
    answer = lab.json("dashboard", "--name", lab.name, "--print")
    assert any("pending" in said for said in answer["warnings"])
    assert "worker1" in body(f"{answer['url']}clusters/local/nodes")


@pytest.mark.parametrize("name", ["kubernetes-dashboard", "headlamp"])
def test_the_objects_of_the_others_are_taken_and_who_lacks_an_image_is_named(
    lab, have, tmp_path, name
):
    have(**PAGE)
    other = {"artifacts_dir": str(set_with(lab, tmp_path, "dashboard", name))}
    other |= {"dashboard_name": name, "dashboard_ready_timeout": 15}
    said = lab.playbook("dashboard.yml", "-e", json.dumps(other), code=2)
    images = component_images("dashboard", name)
    assert images
    for image in images:
        assert f"has no image {image}" in " ".join(said.split())
    pods = json.loads(lab.kubectl("-n", name, "get", "pods", "-o", "json"))["items"]
    assert {c["image"] for pod in pods for c in pod["spec"]["containers"]} == images
    # What it applied already it does not apply again.
    assert "changed=0" in lab.playbook("dashboard.yml", "-e", json.dumps(other), code=2)


def test_off_is_off(lab, have):
    have(**PAGE)
    have()
    left = ("get", "namespaces,clusterroles,clusterrolebindings", "-l", "kubelab/dashboard")
    deadline = time.monotonic() + 60
    while lab.kubectl(*left, "-o", "name") and time.monotonic() < deadline:
        time.sleep(1)
    assert not lab.kubectl(*left, "-o", "name")
    assert set(have()["changed"].values()) == {0}
    assert "has no dashboard" in lab.run("dashboard", "--name", lab.name, code=1)
