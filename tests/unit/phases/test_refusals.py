import pytest

from provisioner.catalog.load import load_catalog
from provisioner.errors import SpecError
from provisioner.lab import Lab
from provisioner.phases.base import Context
from provisioner.phases.refusals import refuse_inputs
from provisioner.spec import Known, parse_spec


def refuse(good, password_file, catalog=None):
    good["cni"] = {"name": "weave", "encryption": True, "password_file": str(password_file)}
    spec = parse_spec(good, "lab.yml", lambda _: Known(["1.20.2"]))
    # Without its images: they have a test of their own.
    catalog = load_catalog({"artifacts_cni": {"weave": {"images": {}}}})
    bare = catalog.model_copy(update={"cni": {"weave": catalog.cni["bridge"]}})
    refuse_inputs(Context(Lab("x"), spec, bare, None, lambda _: None))


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
