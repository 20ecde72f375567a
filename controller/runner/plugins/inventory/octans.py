"""Ansible inventory plugin: the run's hosts and variables, every text of them plain data.

The usual forms of an inventory read meaning into texts: `web[1:3]` is three hosts, `{{ }}` is
evaluated. Here a host's name is the caller's text, and no text is ever a template.
"""

import json
from pathlib import Path
from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

DOCUMENTATION = """
name: octans
short_description: Hosts and variables of one Octans run
description: Reads a JSON file with C(hosts) (name to variables) and C(vars).
options: {}
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Reads `{"hosts": {name: {variable: value}}, "vars": {variable: value}}`."""

    NAME = "octans"

    def verify_file(self, path: str) -> bool:
        """Whether this plugin reads the file."""
        return path.endswith("octans-hosts.json")

    def parse(self, inventory: Any, loader: object, path: str, cache: bool = True) -> None:  # noqa: ANN401
        """Fill the inventory; `wrap_var` is what keeps ansible-core before 2.19 from templating."""
        super().parse(inventory, loader, path, cache)
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        for name, value in data["vars"].items():
            inventory.set_variable("all", name, wrap_var(value))
        for host, variables in data["hosts"].items():
            inventory.add_host(wrap_var(host), group="all")
            for name, value in variables.items():
                inventory.set_variable(host, name, wrap_var(value))
