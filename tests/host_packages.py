"""Installs what tests want of this host beyond what labs do: `python -m tests.host_packages`."""

from provisioner.artifacts.offer import offers
from provisioner.cli.common import run_with_progress
from provisioner.context import make_context
from provisioner.lab import Lab, profiles
from provisioner.phases.host import InstallHostPackages
from provisioner.spec import read_spec

if __name__ == "__main__":
    spec = read_spec(profiles()["embedded"], offers)
    context = make_context(Lab(spec.name), spec, lambda _: None)
    recipe = [InstallHostPackages(more=("test",))]
    run_with_progress(recipe, context, "install for tests", keep_log=False)
