"""Want of room: what the scheduler and a ResourceQuota say of it, and how many tasks may be on
their way to a node meanwhile; pure.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from crds.conditions import Reason
from crds.errors import EXCEEDED

FIRST: Final = 20.0
"""Tasks that may be on their way to a node at a time before anything is known about the room."""
_LONGEST: Final = 15.0
_SUFFIX: Final = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** at for at, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** at for at, letter in enumerate("KMGTPE", 1)},
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([numkMGTPE]?|[KMGTPE]i)")
_QUOTA: Final = re.compile(EXCEEDED + r": (\S+), requested: (\S+), used: \S+, limited: (\S+)")
_PREEMPTION: Final = re.compile(r"preemption: 0/(\d+) nodes are available: (.*)")
_NO_HELP: Final = re.compile(r"(\d+) Preemption is not helpful")


@dataclass(frozen=True, slots=True)
class Lack:
    """What a task waits for that is used up: the reason to tell, and the cluster's own words."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Room:
    """What the pods of a task's Job have found so far."""

    placed: int = 0
    """Pods that hold a place on a node."""
    settled: bool = False
    """Each of its pods has had a node, or never will."""
    lack: Lack | None = None


NOTHING: Final = Room()
"""Of a task whose pods have not been looked at."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When a quota that refused something is tried again: later each time."""

    at: datetime
    made: datetime
    tries: int = 0

    @classmethod
    def after(cls, now: datetime, tries: int = 0) -> "Retry":
        """After so many tries in a row; the pause is at most 15 s."""
        return cls(now + timedelta(seconds=min(_LONGEST, 2.0**tries)), now, tries)

    def wait(self, now: datetime, freed: datetime) -> float:
        """Seconds until it is time; what ended at `freed` gives its share back soon after."""
        at = min(self.at, freed + timedelta(seconds=1)) if self._news(freed) else self.at
        return max(0.0, (at - now).total_seconds())

    def next(self, now: datetime, freed: datetime) -> "Retry":
        """After one more refusal."""
        return Retry.after(now, 0 if self._news(freed) else self.tries + 1)

    def _news(self, freed: datetime) -> bool:
        return freed > self.made


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets tasks set out for a node, and fewer where room was wanting.

    At most `window` tasks are on their way at a time: it falls to one where a pod finds no room,
    and grows by one each time that a whole window found room at once. While a pod of ours waits
    for room no task sets out (controller/admission.py), so the one place that falls free goes to
    that pod, and one more task follows it.
    """

    window: float = FIRST
    lack: Lack | None = None
    """The last want of room, until the window is as wide again as it was at first."""
    shut: Retry | None = None
    """A quota refuses Jobs: when one is tried again."""

    def found(self) -> "Gate":
        """A task found room at once."""
        window = self.window + 1 / self.window
        lack = self.lack if window < FIRST else None
        return Gate(window, lack)

    def wanting(self, lack: Lack) -> "Gate":
        """A pod found no room."""
        return replace(self, window=1.0, lack=lack)

    def refused(self, lack: Lack, now: datetime, freed: datetime) -> "Gate":
        """A quota let no Job in."""
        if self.shut is None or self.shut.wait(now, freed) == 0:
            shut = self.shut.next(now, freed) if self.shut else Retry.after(now)
            return Gate(1.0, lack, shut)
        return replace(self.wanting(lack), shut=self.shut)  # one of several refused at once


def hopeless(scheduler: str) -> bool:
    """Whether no node could hold the pod even if it were empty, by the scheduler's message.

    It ends with what evicting others would bring, node by node (Kubernetes 1.37): "No preemption
    victims found" where a node is full, "Preemption is not helpful" where the pod asks for more
    than the node has, or the node's labels, taints or cordon keep it out. A message without that
    part counts as a full node: then the pod waits as long as anything of ours has a place.
    """
    found = _PREEMPTION.search(scheduler)
    if found is None:
        return False
    useless = _NO_HELP.search(found[2])
    return useless is not None and useless[1] == found[1]


def over_quota(text: str) -> bool:
    """Whether the API server refused something because a ResourceQuota is used up."""
    return EXCEEDED in text


def quota_words(text: str) -> str:
    """The part of a refusal that names the quota and its numbers, the same for every pod."""
    return text[text.index(EXCEEDED) :] if over_quota(text) else text


def never_within(text: str) -> bool:
    """Whether a quota would refuse this even if none of it were in use."""
    found = _QUOTA.search(text)
    if found is None:
        return False
    limits = _amounts(found[3])
    return any(amount > limits.get(name, amount) for name, amount in _amounts(found[2]).items())


def _amounts(text: str) -> dict[str, Decimal]:
    """`pods=1,requests.cpu=100m` as numbers; what is no quantity is left out."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if (number := _QUANTITY.fullmatch(value)) is not None:
            found[name] = Decimal(number[1]) * _SUFFIX[number[2]]
    return found
