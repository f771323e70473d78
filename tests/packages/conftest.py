"""A host like this one to install packages on: what they bring is in a folder of the test."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.labs import PROJECT

HERE = Path(__file__).parent
HOST = {
    **{"ansible_connection": "local", "ansible_host": "127.0.0.1"},
    **{"ansible_python_interpreter": "/usr/bin/python3"},
    # This host's own, which has to stay as it is.
    **{"node_swap_off": False, "node_modules": [], "node_sysctls": {}},
}


@pytest.fixture
def inside(tmp_path):
    """Runs a command on that host; what it printed."""

    def command(*argv, code=0):
        # Without /usr/local, where this host may have programs of the same names.
        path = f"{PROJECT / '.venv/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [HERE / "inside.sh", tmp_path / "node", "node", *argv],
            cwd=PROJECT,
            env={**os.environ, "PATH": path, "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return command


@pytest.fixture
def play(inside, tmp_path):
    """Runs a playbook of this folder with these variables on that host."""

    def command(playbook, given, code=0, *more, kind="control_plane"):
        # There is always a control plane, here or elsewhere.
        planes = {"hosts": {"elsewhere": {"ansible_host": "192.0.2.1"}}}
        groups = {"cluster": {"hosts": {"node": HOST}}, "control_plane": planes, "workers": {}}
        groups[kind] = {"hosts": {"node": {}}}
        hosts = tmp_path / "hosts.yml"
        hosts.write_text(yaml.safe_dump(groups))
        words = ("-i", str(hosts), "-e", json.dumps(given), str(HERE / playbook), *more)
        return inside("ansible-playbook", *words, code=code)

    return command
