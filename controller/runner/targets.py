"""Which hosts plays name, checked before and while they run.

Imported by launch.py only: it needs Ansible.
"""

from typing import Any, Final

from ansible.errors import AnsibleParserError

_MAKERS: Final = frozenset({
    "add_host", "group_by", "roles", "import_playbook",
    "include_tasks", "import_tasks", "include_role", "import_role",
})  # fmt: skip
"""Keys of work that makes hosts or groups, or may hold tasks that do."""


class Targets:
    """The plays of a caller, and all of the task's hosts; a slice's inventory has but some."""

    def __init__(self, plays: list[dict[str, Any]], whole: Any) -> None:  # noqa: ANN401 - Ansible's
        self._plays = plays
        self._whole = whole

    def check_all(self) -> None:
        """AnsibleParserError for a play that names localhost, or none of the hosts and no group
        that plays before it may make."""
        for number, play in enumerate(self._plays, 1):
            patterns = play.get("hosts")
            texts = [patterns] if isinstance(patterns, str) else patterns
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                continue  # an import, or nonsense that Ansible describes better
            if any("{{" in text for text in texts):
                continue  # checked when Ansible has evaluated it
            grown = any(map(makes_hosts, self._plays[: number - 1]))
            _check(patterns, self._whole.get_hosts(patterns), f"play {number}", grown=grown)

    def check_started(self, play: Any, inventory: Any) -> None:  # noqa: ANN401 - Ansible's
        """The same for a play that begins, with the inventory as it has become."""
        found = [
            *inventory.get_hosts(play.hosts, ignore_limits=True, ignore_restrictions=True),
            *self._whole.get_hosts(play.hosts),
        ]
        grown = any(map(makes_hosts, self._plays))
        _check(play.hosts, found, f"play {play.get_name()!r}", grown=grown)


def makes_hosts(work: Any) -> bool:  # noqa: ANN401 - any part of a play
    """Whether work may add hosts or groups to the inventory."""
    if isinstance(work, dict):
        return any(
            str(key).rpartition(".")[2] in _MAKERS or makes_hosts(value)
            for key, value in work.items()
        )
    if isinstance(work, list):
        return any(map(makes_hosts, work))
    # `action: group_by key=...`, and its like as an argument of action
    return isinstance(work, str) and work.partition(" ")[0].rpartition(".")[2] in _MAKERS


def _check(patterns: Any, found: list[Any], play: str, *, grown: bool) -> None:  # noqa: ANN401
    if any(host.implicit for host in found):
        raise AnsibleParserError(f"{play}: hosts names localhost, no host of the task")
    # A group that nothing was put into is ordinary: Ansible skips the play.
    if not found and not grown:
        raise AnsibleParserError(f"{play}: hosts {patterns!r} matches none of the task's hosts")
