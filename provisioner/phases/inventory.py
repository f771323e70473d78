"""The phase that writes the inventory for playbooks."""

from dataclasses import replace

from provisioner.catalog.compat_facts import facts_of
from provisioner.context import Context
from provisioner.inventory import SET_ON_NODES, Places, render_inventory
from provisioner.phases.artifacts import built
from provisioner.phases.base import Done, Phase
from provisioner.phases.machines import set_on_nodes


class WriteInventory(Phase):
    """Write the inventory if it differs from the existing one."""

    key = "inventory"
    title = "Inventory"

    def run(self, context: Context) -> Done:
        """Render and write the inventory.

        Raises:
            LabError: there is no artifact set.
        """
        lab, provider, folder = context.lab, context.provider, built(context).folder
        python = facts_of(context.catalog, context.spec).get("python", provider.traits.python)
        traits = replace(provider.traits, python=python)
        on_nodes = set_on_nodes(folder) if traits.host_folders else SET_ON_NODES
        places = Places(lab.inventory, lab.kubeconfig, folder, on_nodes)
        text = render_inventory(context.spec, traits, provider.access, places)
        return Done("written" if lab.write(lab.inventory, text) else "unchanged")
