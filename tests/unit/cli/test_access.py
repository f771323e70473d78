import os
from types import SimpleNamespace

from provisioner.checks.kubectl import Kubectl
from provisioner.cli import access


def test_kubectl_by_way_of_another_program_is_found_on_the_path(monkeypatch, tmp_path, capfd):
    (tmp_path / "kubeconfig").touch()
    bound = Kubectl(tmp_path / "kubectl", tmp_path / "kubeconfig", through=("echo",))
    monkeypatch.setattr(access, "existing", lambda name: SimpleNamespace(kubectl=bound))
    # The command becomes that program, so it has a process of its own here.
    child = os.fork()
    if child == 0:
        try:
            access.kubectl(["get", "nodes"])
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "get nodes" in capfd.readouterr().out
