"""What a spec names on this host, looked at before a lab is made from it."""

from pathlib import Path

from provisioner.artifacts.sources.local_file import check_all
from provisioner.errors import SpecError
from provisioner.phases.artifacts import refuse_without_sums
from provisioner.phases.base import Context
from provisioner.spec import Weave

# As the role cni has it for those who run Ansible alone.
PASSWORD_LENGTH = 16
PASSWORD_LETTERS = 8


def _password_fault(file: Path) -> tuple[str, str]:
    """Why a file is no place for a password or has a weak one, and what to do; empty if neither."""
    better = f"Use at least {PASSWORD_LENGTH} characters, {PASSWORD_LETTERS} of them different,"
    better += " or leave the key out for a password made at random."
    try:
        mode = file.stat().st_mode
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"It cannot be read: {error}", better
    if mode & 0o077:
        return "Others can read it.", f"Run `chmod 600 {file}`."
    if len(password) < PASSWORD_LENGTH or len(set(password)) < PASSWORD_LETTERS:
        return "The password in it is too weak to encrypt with.", better
    return "", ""


def refuse_inputs(context: Context) -> None:
    """Refuse a file that is not what the spec says, a download without a sum, a weak password.

    Raises:
        SpecError: names key and file, and what is wrong with it.
    """
    cni = context.spec.cni
    if isinstance(cni, Weave) and cni.encryption and cni.password_file:
        why, hint = _password_fault(Path(cni.password_file))
        if why:
            raise SpecError(f"cni.password_file: {cni.password_file}", why, hint)
    check_all(context.catalog, context.bundles)
    refuse_without_sums(context)
