import pytest

from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab
from provisioner.phases.request import CheckRequest
from provisioner.spec import Offer, parse_spec


def refuse(good, password_file):
    good["cni"] = {"name": "weave", "encryption": True, "password_file": str(password_file)}
    # Without its images: they have a test of their own.
    ours = {name: {"archive": "", "layers": ["base"]} for name in ("weave-kube", "weave-npc")}
    good["artifacts"] = {"overrides": {"artifacts_cni_weave": {"images": ours}}}
    good["dashboard"] = "none"
    offer = Offer({"kubernetes": ["1.20.2"], "cni": ["weave"], "runtime": ["docker"]})
    spec = parse_spec(good, "lab.yml", lambda _: offer)
    CheckRequest().run(make_context(Lab("x"), spec))


@pytest.mark.parametrize(
    ("password", "said"),
    [("short", "too weak"), ("a" * 40, "too weak"), ("abcabcabcabcabcabc", "too weak")],
)
def test_a_weak_password_is_refused_and_not_told(good, tmp_path, password, said):
    file = tmp_path / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    with pytest.raises(SpecError) as refused:
        refuse(good, file)
    assert said in refused.value.details
    assert "cni.password_file" in refused.value.brief
    assert password not in str(refused.value).replace(str(file), "")


def test_a_password_that_others_can_read_is_refused(good, tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse battery staple")
    file.chmod(0o644)
    with pytest.raises(SpecError, match="Others can read it"):
        refuse(good, file)


def test_a_password_that_is_not_there_is_refused(good, tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        refuse(good, tmp_path / "nothing")


@pytest.mark.parametrize(("file", "said"), [("/dev/zero", "not a file"), ("/dev", "not a file")])
def test_a_password_that_has_no_end_is_refused(good, file, said):
    with pytest.raises(SpecError, match=said):
        refuse(good, file)


def test_a_password_without_measure_is_refused(good, tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse battery staple" * 99)
    file.chmod(0o600)
    with pytest.raises(SpecError, match="more than 1024"):
        refuse(good, file)


def test_a_good_password_passes(good, tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse battery staple")
    file.chmod(0o600)
    refuse(good, file)


def with_template(good, template):
    settings = {"template": str(template), "namespace": "x"}
    addon = {"kind": "addon", "name": "x", "version": "1", "settings": settings}
    good["artifacts"] = {"overrides": {"artifacts_addon_x": addon}}
    good |= {"addons": ["x"], "dashboard": "none"}
    CheckRequest().run(make_context(Lab("x"), parse_spec(good, "lab.yml", offers)))


@pytest.mark.parametrize("place", ["KUBELAB_CACHE", "KUBELAB_HOME"])
def test_a_template_that_a_download_or_a_machine_could_have_brought_is_refused(
    good, tmp_path, monkeypatch, place
):
    monkeypatch.setenv(place, str(tmp_path / "ours"))
    (tmp_path / "ours/built").mkdir(parents=True)
    brought = tmp_path / "ours/built/file.j2"
    brought.write_text("{{ lookup('pipe', 'id') }}")
    link = tmp_path / "mine.j2"
    link.symlink_to(brought)
    for template in (brought, link):
        with pytest.raises(SpecError, match="Ansible runs what a template says"):
            with_template(good, template)


def test_a_template_of_ones_own_has_to_be_there(good, tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        with_template(good, tmp_path / "x.j2")
    (tmp_path / "x.j2").write_text("{}")
    with_template(good, tmp_path / "x.j2")
