import pytest

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


def test_a_good_password_passes(good, tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse battery staple")
    file.chmod(0o600)
    refuse(good, file)
