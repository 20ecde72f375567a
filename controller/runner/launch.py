"""Ansible's own process: `ansible-playbook`, checked a little more and ended a little faster.

Run as a script by the runner, never imported by it: it imports Ansible, which takes half a second.
"""

# ruff: noqa: E402 - the collector is off while Ansible is imported: a seventh of that time
import gc

gc.disable()

import json
import os
import sys
from pathlib import Path
from typing import Any

from ansible.cli.playbook import PlaybookCLI
from ansible.errors import AnsibleParserError
from ansible.executor import playbook_executor
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.inventory.manager import InventoryManager

CHECK_HOSTS = "OCTANS_CHECK_HOSTS"
"""Environment variable: set where the plays are the caller's, whose `hosts` may match nothing.

It names a file with the list of all the task's hosts: this slice has but some of them.
"""


class Launch(PlaybookCLI):  # type: ignore[misc]
    """`ansible-playbook` that refuses plays for no host of the task before it runs the first."""

    def _play_prereqs(self) -> Any:  # noqa: ANN401 - three untyped objects of Ansible
        loader, inventory, variables = super()._play_prereqs()
        if file := os.environ.get(CHECK_HOSTS):
            whole = InventoryManager(loader, parse=False)
            for name in _read(file):
                whole.add_host(name)
            whole.reconcile_inventory()
            check_hosts(_read(self.args[-1]), whole)
            Manager.whole = whole
        return loader, inventory, variables


class Manager(TaskQueueManager):  # type: ignore[misc]
    """Tells with the recap what Ansible knows of hosts and its recap does not.

    Hosts that were well when any_errors_fatal or max_fail_percentage ended the play are counted as
    well there; and hosts that no play reached are not there, whatever the reason.
    """

    whole: Any = None
    """The inventory of all the task's hosts, where the plays are the caller's."""

    def send_callback(self, name: str, *args: Any, **more: Any) -> None:  # noqa: ANN401
        if name == "v2_playbook_on_play_start" and self.whole is not None:
            # What stood in {{ }} is known by now.
            check_patterns(args[0].hosts, self.whole, f"play {args[0].get_name()!r}")
        if name == "v2_playbook_on_stats":
            every = {host.name for host in self._inventory.get_hosts(
                ignore_limits=True, ignore_restrictions=True
            )}  # fmt: skip
            limited = {host.name for host in self._inventory.get_hosts(ignore_restrictions=True)}
            hosts = {"given_up": sorted(self._failed_hosts), "left_out": sorted(every - limited)}
            args[0].update_custom_stats("octans", hosts)
        super().send_callback(name, *args, **more)


def _read(file: str) -> Any:  # noqa: ANN401 - JSON that we have written
    return json.loads(Path(file).read_text(encoding="utf-8"))


def check_hosts(plays: list[dict[str, Any]], inventory: Any) -> None:  # noqa: ANN401
    """AnsibleParserError for a play that names localhost or none of the inventory's hosts."""
    for number, play in enumerate(plays, 1):
        patterns = play.get("hosts")
        texts = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            continue  # an import, or nonsense that Ansible describes better
        if not any("{{" in text for text in texts):  # else when Ansible has evaluated it
            check_patterns(patterns, inventory, f"play {number}")


def check_patterns(patterns: Any, inventory: Any, play: str) -> None:  # noqa: ANN401 - Ansible's, untyped
    """The same for the patterns of one play."""
    found = inventory.get_hosts(patterns)
    if any(host.implicit for host in found):
        raise AnsibleParserError(f"{play}: hosts names localhost, no host of the task")
    if not found:
        raise AnsibleParserError(f"{play}: hosts {patterns!r} matches none of the task's hosts")


def main() -> None:
    """Do what ansible-playbook does, in a session of its own."""
    os.setsid()
    gc.freeze()  # the forks share what was imported
    gc.enable()
    playbook_executor.TaskQueueManager = Manager
    try:
        Launch.cli_executor(sys.argv)
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        # Python's own way out takes a tenth of a second; what Ansible leaves dies with the pod.
        os._exit(ended.code if isinstance(ended.code, int) else 1)


if __name__ == "__main__":
    main()
