"""The tasks that have not ended, as the queue needs them; filled by every look at a task."""

from controller.admission import Card, turns
from controller.observed import Turn
from crds.model import AnsibleTask


class Registry:
    """Cards of unfinished tasks by object name."""

    def __init__(self, max_running: int) -> None:
        self._max_running = max_running
        self._cards: dict[str, Card] = {}
        self._turns: dict[str, Turn] | None = None

    def put(self, task: AnsibleTask, *, active: bool) -> bool:
        """Note a task as it was just seen, and whether that is news; once active it stays so until
        it is removed."""
        known = self._cards.get(task.metadata.name)
        card = Card(
            name=task.metadata.name,
            uid=task.metadata.uid,
            task_name=task.task_name,
            created=task.metadata.creation_timestamp,
            priority=task.spec.priority,
            source=task.spec.source or "",
            exclusive=task.spec.exclusive_hosts,
            hosts=frozenset(task.spec.hosts),
            pending=task.pending,
            active=active
            or (known is not None and known.active and known.uid == task.metadata.uid),
        )
        if card == known:
            return False
        self._cards[card.name] = card
        self._turns = None
        return True

    def remove(self, name: str) -> bool:
        """Forget a task that has ended or is gone; whether it was known."""
        known = self._cards.pop(name, None) is not None
        if known:
            self._turns = None
        return known

    def knows(self, name: str) -> bool:
        """Whether a task has not ended."""
        return name in self._cards

    def turn(self, name: str) -> Turn:
        """May this task start now?"""
        return self._all().get(name, Turn(admitted=True))

    def admitted(self) -> list[str]:
        """Waiting tasks that may start now."""
        ready = self._all()
        return [card.name for card in self._cards.values()
                if not card.active and not card.pending and ready[card.name].admitted]  # fmt: skip

    def next(self, count: int) -> list[str]:
        """The first `count` tasks of the queue that may not start yet, in its order."""
        waits = [(turn.position, name) for name, turn in self._all().items() if not turn.admitted]
        return [name for _, name in sorted(waits)[:count]]

    def rival(self, task: AnsibleTask) -> str | None:
        """Name of an older unfinished task object with the same task name."""
        mine = (task.metadata.creation_timestamp, task.metadata.uid)
        for card in self._cards.values():
            same = card.task_name == task.task_name and card.uid != task.metadata.uid
            if same and (card.created, card.uid) < mine:
                return card.name
        return None

    def names(self) -> list[str]:
        """All tasks known."""
        return list(self._cards)

    def counts(self) -> tuple[int, int]:
        """(waiting, active)."""
        active = sum(card.active for card in self._cards.values())
        return len(self._cards) - active, active

    def _all(self) -> dict[str, Turn]:
        if self._turns is None:
            self._turns = turns(self._cards.values(), self._max_running)
        return self._turns
