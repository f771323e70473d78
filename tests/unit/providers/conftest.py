"""What tests of providers share."""

import pytest

NODE = "<node><cpu><mhz>1</mhz><model>x</model><active>1</active></cpu><memory>9</memory></node>"


@pytest.fixture
def libvirt_for_tests(tmp_path):
    """The address of a host that libvirt's driver for tests makes up, for this test alone."""
    file = tmp_path / "host.xml"
    file.write_text(NODE)
    return f"test://{file}"
