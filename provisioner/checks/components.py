"""What ``verify`` takes from components: their questions, and facts about the pod network."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import tenacity

from provisioner.catalog.settings import PodNetwork
from provisioner.checks.verify import Check, CheckFailed, Cluster
from provisioner.shell import tail


def _question(words: list[str], expects: str, seconds: float) -> Check:
    def ask(cluster: Cluster) -> str:
        patience = tenacity.Retrying(
            stop=tenacity.stop_after_delay(seconds * cluster.slowness),
            wait=tenacity.wait_fixed(1),
            retry=tenacity.retry_if_exception_type(CheckFailed),
            reraise=True,
        )
        return patience(_answer, cluster, words, expects)

    return ask


def _answer(cluster: Cluster, words: list[str], expects: str) -> str:
    answer = cluster.kubectl.call(*words, check=False)
    found = re.search(expects, answer.stdout)
    if answer.code != 0 or found is None:
        said = tail(answer.stderr or answer.stdout, lines=1) or "nothing"
        raise CheckFailed(f"kubectl {' '.join(words)}: expected {expects!r}, got {said}")
    return found[0].strip() or "as expected"


def questions_of(components: Iterable[Mapping[str, Any]]) -> dict[str, Check]:
    """The questions by name, from the components of a set's manifest."""
    return {
        check["name"]: _question(check["kubectl"], check["expects"], check["seconds"])
        for component in components
        for check in component.get("checks", [])
    }


def network_of(components: Iterable[Mapping[str, Any]]) -> PodNetwork:
    """What the catalogue said of the pod network when the set was made."""
    found = [c.get("settings", {}) for c in components if c["kind"] == "cni"]
    # Not checked again: another version of kubelab may have made the set.
    return PodNetwork.model_construct(**(found[0] if found else {}))
