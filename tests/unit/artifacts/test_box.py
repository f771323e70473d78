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
