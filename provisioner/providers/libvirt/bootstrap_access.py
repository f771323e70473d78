"""The first login to a machine that vagrant made: it gets the lab's key, we get its host key."""

import shlex
from pathlib import Path

import paramiko
import tenacity

from provisioner.errors import LabError
from provisioner.model import SSHD_BY_KEY, Node
from provisioner.providers.ssh import SshAccess

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
SECONDS = 120.0
# Of each setting sshd takes the first; files that it includes come later.
REFUSE_PASSWORDS = (
    "sshd -T | grep -qx 'passwordauthentication no' ||"
    f" {{ cd /etc/ssh && printf %s {shlex.quote(SSHD_BY_KEY)} | cat - sshd_config > kubelab.new &&"
    " cat kubelab.new > sshd_config && rm kubelab.new &&"
    " { systemctl reload ssh || systemctl reload sshd; }; } >&2"
)


def let_root_in(node: Node, key: Path, access: SshAccess) -> str:
    """Put the lab's key where root's are, and let nobody in by a password.

    Returns the machine's line for known_hosts. The passwords of a publisher's box are well known.

    Vagrant's user has the key that came with the box or that vagrant made, and may use sudo. The
    host key is asked for on this very connection: the machine is minutes old and on a network of
    this host alone.

    Raises:
        LabError: the machine does not let vagrant's user in.
    """
    own = shlex.quote(access.public)
    keys = "/root/.ssh/authorized_keys"
    script = (
        f"install -d -m 700 /root/.ssh; touch {keys}; chmod 600 {keys};"
        f" grep -qxF {own} {keys} || echo {own} >> {keys}; {REFUSE_PASSWORDS}; cat {HOST_KEY}"
    )
    try:
        line = _sudo(access, node.address, key, script)
    except (OSError, paramiko.SSHException) as error:
        raise LabError(
            f"{node.name}: no login as vagrant at {node.address}",
            str(error),
            f"Try `ssh -i {key} vagrant@{node.address}`, then run `kubelab up` again.",
        ) from None
    kind, text = line.split()[:2]
    return f"{node.address} {kind} {text}\n"


@tenacity.retry(
    stop=tenacity.stop_after_delay(SECONDS),
    wait=tenacity.wait_fixed(1),
    retry=tenacity.retry_if_exception_type((OSError, paramiko.SSHException)),
    reraise=True,
)
def _sudo(access: SshAccess, address: str, key: Path, script: str) -> str:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address,
            username="vagrant",
            key_filename=str(key),
            timeout=10,
            banner_timeout=60,
            auth_timeout=60,
            allow_agent=False,
            look_for_keys=False,
            sock=paramiko.ProxyCommand(access.through(address)) if access.hop else None,
        )
        _, out, err = client.exec_command(f"sudo sh -c {shlex.quote(script)}", timeout=60)
        text = out.read().decode()
        if out.channel.recv_exit_status() != 0 or not text:
            raise paramiko.SSHException(err.read().decode() or "sudo said nothing")
        return str(text)
