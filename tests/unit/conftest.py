from pathlib import Path

import pytest
import yaml
from hypothesis import settings

# A machine that is busy with something else finds no fault by being slow.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def good() -> dict:
    """The embedded profile as data: a spec without a fault."""
    return yaml.safe_load((PROJECT / "profiles/embedded.yml").read_text())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test reads or writes a real lab or the real cache."""
    monkeypatch.setenv("KUBELAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setenv("KUBELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBELAB_IMAGE_LOCK", str(tmp_path / "lock.yml"))
