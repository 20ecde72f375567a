"""Who may start next: priority, then the source with the fewest running, then age; pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.capacity import NOTHING, Gate, Room
from controller.observed import Turn
from crds.conditions import Reason
from crds.hosts import Machine


@dataclass(frozen=True, slots=True)
class Card:
    """What the queue knows of a task that has not ended."""

    name: str
    """The object's."""
    created: datetime
    uid: str = ""
    task_name: str = ""
    priority: int = 0
    source: str = ""
    exclusive: bool = False
    hosts: frozenset[Machine] = frozenset()
    active: bool = False
    """It has a Job, or is about to."""
    pending: bool = False
    """The API has not completed it yet (api/submit.py): it takes no place."""
    room: Room = NOTHING
    """What its pods have found."""
    waited: bool = False
    """One of its pods has found no room once."""


def turns(
    cards: Iterable[Card], max_running: int, gate: Gate | None = None, *, shut: bool = False
) -> dict[str, Turn]:
    """Task name to whether it may start now, else its place and what it waits for.

    `shut`: a quota refuses Jobs for now.
    """
    gate = gate or Gate()
    known = [card for card in cards if card.active or not card.pending]
    taken = [card for card in known if card.active]
    found = {card.name: Turn(admitted=True) for card in taken}
    places = max_running - len(taken)
    lack = next((card.room.lack for card in taken if card.room.lack), gate.lack if shut else None)
    ways = 0 if lack else int(gate.window) - sum(not card.room.settled for card in taken)
    wanting = lack or gate.lack
    for position, card in enumerate(_order(known), 1):
        holder = _holder(card, taken)
        if holder is not None:
            text = f"The task {holder} holds some of its hosts."
            found[card.name] = Turn(False, position, Reason.WAITING_FOR_HOSTS, text)
        elif places > 0 and ways > 0:
            places, ways = places - 1, ways - 1
            taken.append(card)
            found[card.name] = Turn(admitted=True)
        elif wanting is not None and (lack or places > 0):
            text = f"It waits for room, as number {position}: {wanting.text}"
            found[card.name] = Turn(False, position, wanting.reason, text)
        else:
            text = f"It waits for a free place, as number {position}."
            found[card.name] = Turn(False, position, Reason.QUEUED, text, brief=places > 0)
    return found


def _order(cards: list[Card]) -> list[Card]:
    """Those that wait; of equal priority the sources in turn, the one with least running first."""
    load = Counter(card.source for card in cards if card.active)
    waiting = [card for card in cards if not card.active]
    ranked: list[tuple[int, int, datetime, str, Card]] = []
    for card in sorted(waiting, key=lambda card: (-card.priority, card.created, card.name)):
        ranked.append((-card.priority, load[card.source], card.created, card.name, card))
        load[card.source] += 1
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]


def _holder(card: Card, taken: list[Card]) -> str | None:
    """The task that holds one of the hosts, where either wants them for itself."""
    for other in taken:
        if (card.exclusive or other.exclusive) and card.hosts & other.hosts:
            return other.name
    return None
