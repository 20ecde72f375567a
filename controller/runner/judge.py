"""How each host ended, judged from what Ansible says while it plays: the only judge there is. Pure.

Ansible's recap can't tell: hosts that were given up for another's failure are counted as well
there, and hosts that no play reached are missing, whatever the reason. So `launch` tells the judge,
inside Ansible's own process, what it sees; and the runner reads the word that the judge leaves.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from crds.conditions import Outcome


class Standing(Enum):
    """How Ansible holds a host when a play is over for the batch that the host is in."""

    DONE = auto()
    """Nothing is left for it to do."""
    OPEN = auto()
    """Tasks are left that it will never do."""
    FAILED = auto()
    """It failed, or was given up for another's failure."""
    UNREACHABLE = auto()


class Judge:
    """Follows a playbook: plays, their batches (`serial`), and what happens to hosts in them.

    The last play that meant a host decides. A host that has failed takes no part in later plays,
    so its failure stands, unless `meta: clear_host_errors` brings it back and it ends them well.
    """

    def __init__(self) -> None:
        self._ended: dict[str, Outcome] = {}
        self._to_come: dict[str, None] = {}
        """Hosts of the plays so far that no batch has reached."""
        self._batch: dict[str, None] = {}
        self._out: frozenset[str] = frozenset()
        """Hosts of the batch that had failed before it began."""
        self._own: dict[str, Outcome] = {}
        """Failures of the batch's hosts themselves."""
        self._forgiven: dict[str, Outcome] = {}
        self._given_up: dict[str, bool] = {}
        """Whether a host that Ansible counts as failed had tasks left."""
        self._active: set[str] = set()
        """Hosts that began a task in this batch, since their errors were cleared."""

    def play(self, hosts: Iterable[str]) -> None:
        """A play begins that is for these hosts."""
        self._to_come |= dict.fromkeys(hosts)

    def batch(self, hosts: Iterable[str], out: Collection[str]) -> None:
        """The play begins on some of them; those in `out` have failed and take no part."""
        self._batch = dict.fromkeys(hosts)
        self._to_come = {name: None for name in self._to_come if name not in self._batch}
        self._out = frozenset(out)
        self._own, self._forgiven, self._given_up, self._active = {}, {}, {}, set()

    def began(self, host: str) -> None:
        """A host begins a task."""
        self._active.add(host)

    def given_up(self, host: str, *, tasks_left: bool) -> None:
        """Ansible counts a host as failed from now on, for its own failure or another's."""
        self._given_up[host] = self._given_up.get(host, False) or tasks_left

    def failed(self, host: str, *, rescued: bool) -> None:
        """A task failed on a host, and that is not ignored; `rescued`: a rescue takes over."""
        if not rescued:
            self._own[host] = Outcome.FAILED

    def rescued(self, host: str) -> None:
        """A rescue takes over after what was told as a failure: a file of tasks that is missing."""
        self._own.pop(host, None)

    def unreachable(self, host: str) -> None:
        """A host could not be reached, and that is not ignored."""
        self._own[host] = Outcome.UNREACHABLE

    def cleared(self, host: str) -> None:
        """`meta: clear_host_errors` takes back that a host has failed."""
        self._active.discard(host)
        if (failure := self._own.pop(host, None)) is not None:
            self._forgiven[host] = failure

    def end_on_purpose(self) -> None:
        """`meta: end_play`: batches that have not begun are left out."""
        self._to_come = {}

    def batch_ended(self, standings: Mapping[str, Standing]) -> None:
        """The play is over for the batch."""
        for host in self._batch:
            self._ended[host] = self._verdict(host, standings[host])
        self._batch = {}

    def _verdict(self, host: str, standing: Standing) -> Outcome:
        before = self._ended.get(host, Outcome.UNFINISHED)
        if standing is Standing.UNREACHABLE:
            return Outcome.UNREACHABLE
        if host in self._own:
            # Whatever Ansible holds: `force_handlers` and `end_play` together let it forget.
            return self._own[host]
        if standing is Standing.FAILED:
            if host in self._out and before.bad:
                return before
            left = host in self._out or self._given_up.get(host, True)
            return Outcome.UNFINISHED if left else Outcome.OK
        if standing is Standing.OPEN:
            return Outcome.UNFINISHED
        if host not in self._active and host in self._forgiven:
            return self._forgiven[host]
        return before if host not in self._active and host in self._out else Outcome.OK

    def end(self, unreached: Iterable[str], *, aborted: bool = False) -> dict[str, Outcome]:
        """How every host ended that a play meant; `unreached` are hosts of plays that never began.

        No host of an `aborted` playbook is well.
        """
        found = dict(self._ended)
        for host in (*self._batch, *self._to_come, *unreached):
            if not found.get(host, Outcome.OK).bad:
                found[host] = Outcome.UNFINISHED
        if aborted:
            return {host: out if out.bad else Outcome.UNFINISHED for host, out in found.items()}
        return found


@dataclass(frozen=True, slots=True)
class Word:
    """What the judge leaves when Ansible has come to an end of its own."""

    time: float
    """Seconds since 1970."""
    outcomes: dict[str, Outcome]
    aborted: bool = False

    def write(self, file: Path) -> None:
        """Leave it in a file, whole or not at all."""
        text = json.dumps({"time": self.time, "outcomes": self.outcomes, "aborted": self.aborted})
        draft = file.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.rename(file)

    @classmethod
    def read(cls, file: Path) -> "Word | None":
        """From its file; None where Ansible left none, or something else stands there."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            outcomes = {str(host): Outcome(kind) for host, kind in data["outcomes"].items()}
            return cls(float(data["time"]), outcomes, bool(data["aborted"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
