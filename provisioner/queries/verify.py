"""What verify asks of a lab that is up."""

from provisioner.checks.components import questions_of
from provisioner.checks.questions import DEEP, basic_questions
from provisioner.checks.verify import Cluster, verify
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.model import Finding
from provisioner.shell import Result

# The image in which verify runs its questions.
TOOLBOX = "toolbox"


def verify_lab(context: Context) -> list[Finding]:
    """Put every question of verify to the lab's cluster, and those of its components.

    Raises:
        LabError: the artifacts that the lab was made of are gone.
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
