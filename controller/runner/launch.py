"""Ansible's own process: `ansible-playbook`, started a little faster and checked a little more.

Run as a script by the runner, never imported by it: it imports Ansible, which takes half a second.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from ansible.cli.playbook import PlaybookCLI
from ansible.errors import AnsibleParserError

CHECK_HOSTS = "OCTANS_CHECK_HOSTS"
"""Environment variable: set where the plays are the caller's, whose `hosts` may match nothing."""


class Launch(PlaybookCLI):  # type: ignore[misc]
    """`ansible-playbook` that refuses plays for no host of the task before it runs the first."""

    def _play_prereqs(self) -> Any:  # noqa: ANN401 - three untyped objects of Ansible
        loader, inventory, variables = super()._play_prereqs()
        if os.environ.get(CHECK_HOSTS):
            check_hosts(json.loads(Path(self.args[-1]).read_text(encoding="utf-8")), inventory)
        return loader, inventory, variables


def check_hosts(plays: list[dict[str, Any]], inventory: Any) -> None:  # noqa: ANN401 - untyped in Ansible
    """AnsibleParserError for a play that names localhost or none of the inventory's hosts."""
    for number, play in enumerate(plays, 1):
        patterns = play.get("hosts")
        texts = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            continue  # an import, or nonsense that Ansible describes better
        if any("{{" in text for text in texts):
            continue  # decided when Ansible evaluates it
        found = inventory.get_hosts(patterns)
        if any(host.implicit for host in found):
            raise AnsibleParserError(f"play {number}: hosts names localhost, no host of the task")
        if not found:
            raise AnsibleParserError(
                f"play {number}: hosts {patterns!r} matches none of the task's hosts"
            )


def main() -> None:
    """Become the leader of a process group of its own, then do what ansible-playbook does."""
    os.setsid()
    Launch.cli_executor(sys.argv)


if __name__ == "__main__":
    main()
