"""Verifying a running lab."""

from provisioner.checks.components import network_of, questions_of
from provisioner.checks.questions import DEEP, basic_questions
from provisioner.checks.runtimes import services_of
from provisioner.checks.verify import Cluster, verify
from provisioner.context import Context, on_machines
from provisioner.errors import LabError
from provisioner.model import Finding

# The image of verify's workload, and that of the pods that ask it: the busybox of Docker Hub has a
# web server and no getent, and the image to debug with has it the other way round.
TOOLBOX, DEBUG = "toolbox", "debug"


def verify_lab(context: Context) -> list[Finding]:
    """Ask the lab's cluster all questions of verify, and those of its components.

    Raises:
        LabError: the lab has no cluster, or its artifacts are gone.
    """
    record = context.lab.artifacts
    if record is None:
        raise LabError("this lab has no cluster yet", "", "Run `kubelab up` first.")
    images = record.image(TOOLBOX), record.image(DEBUG, TOOLBOX)
    slowness = context.provider.traits.slowness
    services = services_of(context.spec.runtime.name, record.components)
    on_node = on_machines(context)
    network = network_of(record.components)
    cluster = Cluster(context.spec, context.kubectl, on_node, *images, slowness, services, network)
    basic = basic_questions(context.spec.runtime.name)
    deep = {**DEEP, **questions_of(record.components)}
    return verify(cluster, basic, deep, context.listen)
