from provisioner.artifacts import box
from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.steps import box_step
from provisioner.spec import Artifacts


def test_a_box_that_is_made_otherwise_is_another_box(tmp_path, monkeypatch):
    workshop = workshop_of(Artifacts())
    before = box_step(workshop, "debian12", None).key
    assert box_step(workshop, "debian12", None).key == before
    maker = tmp_path / "maker"
    maker.write_text("otherwise")
    monkeypatch.setattr(box, "MAKERS", (maker,))
    assert box_step(workshop, "debian12", None).key != before


def test_nobody_comes_into_a_box_by_a_password(tmp_path, monkeypatch):
    monkeypatch.setattr(box, "run", lambda *_, **__: None)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.1").touch()
    debian = workshop_of(Artifacts()).catalog.boxes["debian12"]
    box._configure(tmp_path, debian, "ssh-ed25519 AAAA vagrant")
    settings = (tmp_path / "etc/ssh/sshd_config.d/kubelab.conf").read_text().splitlines()
    assert "PasswordAuthentication no" in settings
    assert "KbdInteractiveAuthentication no" in settings
