"""The tasks that have not ended, as the queue needs them; filled by every look at a task."""

from dataclasses import replace
from datetime import datetime, timedelta

from controller.admission import Card, turns
from controller.capacity import NOTHING, Gate, Lack, Room
from controller.observed import Turn
from crds.conditions import Reason
from crds.model import AnsibleTask


class Registry:
    """Cards of unfinished tasks by object name."""

    def __init__(self, max_running: int, now: datetime) -> None:
        self._max_running = max_running
        self._cards: dict[str, Card] = {}
        self._refused: set[str] = set()
        self._turns: dict[str, Turn] | None = None
        self._gate = Gate()
        self._shut = False
        self._moved = now
        self.freed = now
        """When a pod of a task last gave its place back."""

    def put(self, task: AnsibleTask, *, active: bool) -> bool:
        """Note a task as it was just seen, and whether that is news; once active it stays so until
        it is removed."""
        known = self._cards.get(task.metadata.name)
        if known is not None and known.uid != task.metadata.uid:
            known = None
        if active:
            self._refused.discard(task.metadata.name)
        card = Card(
            name=task.metadata.name,
            uid=task.metadata.uid,
            task_name=task.task_name,
            created=task.metadata.creation_timestamp,
            priority=task.spec.priority,
            source=task.spec.source or "",
            exclusive=task.spec.exclusive_hosts,
            hosts=task.spec.machines,
            pending=task.pending,
            active=active or (known is not None and known.active),
            room=known.room if known else NOTHING,
            waited=known.waited if known else False,
        )
        if card == known:
            return False
        self._cards[card.name] = card
        self._turns = None
        return True

    def remove(self, name: str, now: datetime) -> bool:
        """Forget a task that has ended or is gone; whether it was known."""
        card = self._cards.pop(name, None)
        self._refused.discard(name)
        if card is None:
            return False
        if card.active:
            self._moved = self.freed = now
        alone = not any(other.active for other in self._cards.values())
        if alone and card.room.settled and not card.waited:
            self._gate = Gate()  # nothing runs, and the last one found room at once
        self._turns = None
        return True

    def note(self, name: str, room: Room, now: datetime) -> bool:
        """Note what the pods of a task with a Job have found; whether that is news."""
        card = self._cards.get(name)
        if card is None or card.room == room:
            return False
        if room.lack is not None and not card.waited:
            self._gate = self._gate.wanting(room.lack)
        elif room.settled and not card.room.settled and not card.waited:
            self._gate = self._gate.found()
        if room.placed < card.room.placed:
            self.freed = now
        if room.placed != card.room.placed:
            self._moved = now
        waited = card.waited or room.lack is not None
        self._cards[name] = replace(card, room=room, waited=waited)
        self._turns = None
        return True

    def refuse(self, name: str, lack: Lack, now: datetime) -> None:
        """A quota refused a task's Job: it is back in the queue, and nothing starts for a while."""
        self._gate = self._gate.refused(lack, now, self.freed)
        self._refused.add(name)
        self._cards[name] = replace(self._cards[name], active=False)
        self._turns = None

    def idle_since(self) -> datetime | None:
        """Since when no pod of any task has held a place on a node; None: one does."""
        held = any(card.room.placed for card in self._cards.values())
        return None if held else self._moved

    def refused(self) -> list[str]:
        """Tasks whose Job or pods a quota has refused."""
        lacking = {
            name for name, card in self._cards.items()
            if card.room.lack and card.room.lack.reason is Reason.WAITING_FOR_QUOTA
        }  # fmt: skip
        return sorted(self._refused | lacking)

    def knows(self, name: str) -> bool:
        """Whether a task has not ended."""
        return name in self._cards

    def reopened(self, now: datetime) -> bool:
        """Whether it has just become time to try a Job again that a quota refused."""
        shut = self.shut_for(now) > 0
        before, self._shut = self._shut, shut
        if before != shut:
            self._turns = None
        return before and not shut

    def shut_for(self, now: datetime) -> float:
        """Seconds until a Job that a quota refused may be tried again."""
        return self._gate.shut.wait(now, self.freed) if self._gate.shut else 0.0

    def free(self, now: datetime) -> bool:
        """Note that something of an ended task has changed: its share of a quota may be free."""
        if not self.refused() or now - self.freed < timedelta(seconds=1):
            return False
        self.freed = now
        return True

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
            cards = self._cards.values()
            self._turns = turns(cards, self._max_running, self._gate, shut=self._shut)
        return self._turns
