from provisioner.artifacts import box
from provisioner.artifacts.steps import box_step
from provisioner.catalog.load import load_catalog


def test_a_box_that_is_made_otherwise_is_another_box(tmp_path, monkeypatch):
    catalog = load_catalog({})
    before = box_step(catalog, "debian12", None, tmp_path).key
    assert box_step(catalog, "debian12", None, tmp_path).key == before
    maker = tmp_path / "maker"
    maker.write_text("otherwise")
    monkeypatch.setattr(box, "MAKERS", (maker,))
    assert box_step(catalog, "debian12", None, tmp_path).key != before
