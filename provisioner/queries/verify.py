"""Verifying a running lab."""

from provisioner.checks.components import questions_of
from provisioner.checks.questions import DEEP, basic_questions
from provisioner.checks.verify import Cluster, verify
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.model import Finding
from provisioner.shell import Result

# The image of verify's workload.
TOOLBOX = "toolbox"


def verify_lab(context: Context) -> list[Finding]:
    """Ask the lab's cluster all questions of verify, and those of its components.

    Raises:
        LabError: the lab has no cluster, or its artifacts are gone.
    """
    by_name = {node.name: node for node in context.spec.machines}

    def on_node(name: str, argv: list[str]) -> Result:
        return context.provider.exec(by_name[name], argv, check=False)

    record = context.lab.artifacts
    if record is None:
        raise LabError("this lab has no cluster yet", "", "Run `kubelab up` first.")
    image = record.image(TOOLBOX)
    slowness = context.provider.traits.slowness
    cluster = Cluster(context.spec, context.kubectl, on_node, image, slowness)
    basic = basic_questions(context.spec.runtime.name)
    deep = {**DEEP, **questions_of(record.components)}
    return verify(cluster, basic, deep, context.listen)
