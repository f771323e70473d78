"""What the first login does to a machine: passwords are refused, whatever sshd was told before."""

import os
import subprocess

import pytest

from provisioner.model import SSHD_BY_KEY
from provisioner.providers.libvirt.bootstrap_access import REFUSE_PASSWORDS

OPEN = "# of the box\nPasswordAuthentication yes\nUsePAM yes\n"
# Of each setting the first counts.
SSHD = """\
#!/bin/sh
awk 'tolower($1) == "passwordauthentication" {print tolower($0); exit}' sshd/sshd_config
"""


@pytest.fixture
def refuse(tmp_path):
    """Run the words on a box that has this file; returns the file, and what was reloaded."""
    for name, text in (
        ("sshd", SSHD),
        ("systemctl", "#!/bin/sh\necho $2 >> reloaded\n[ $2 = sshd ]"),
    ):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    folder = tmp_path / "sshd"
    folder.mkdir()
    path = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(text):
        (folder / "sshd_config").write_text(text)
        (folder / "sshd_config").chmod(0o600)
        words = f"cd {tmp_path}; {REFUSE_PASSWORDS}"
        words = words.replace("cd /etc/ssh", f"cd {folder}").replace(
            "systemctl", f"cd {tmp_path}; systemctl"
        )
        subprocess.run(["sh", "-c", words], check=True, env=path)
        reloaded = tmp_path / "reloaded"
        found = (folder / "sshd_config").read_text()
        return found, reloaded.read_text().split() if reloaded.exists() else []

    return run


def test_passwords_are_refused_by_the_first_lines_and_the_rest_stays(refuse):
    text, reloaded = refuse(OPEN)
    assert text == SSHD_BY_KEY + OPEN
    assert reloaded == ["ssh", "sshd"]


def test_a_box_that_refuses_them_already_is_left_alone(refuse):
    text, _ = refuse(OPEN)
    assert refuse(text) == (text, ["ssh", "sshd"])
