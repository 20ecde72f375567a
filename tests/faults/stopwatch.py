"""How long stops take until no process of a task is left."""

from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from tests.cluster.platform.waiting import wait_for
from tests.faults.tally import TALLY, spread
from tests.faults.trials import GRACE, Trial

MOST: Final = GRACE + 5.0
"""Seconds from the accepted stop until no container process is left."""


@dataclass(slots=True)
class Stopwatch:
    """Seconds that stops took, by the phase in which they came."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def stop(self, phase: str, trial: Trial) -> None:
        """Stop a task, and see that no process of it is left in time."""
        await trial.stop()
        await self.quiet(phase, trial)

    async def quiet(self, phase: str, trial: Trial) -> None:
        """See that no process is left of a task whose stop was accepted just now."""
        accepted = monotonic()
        await wait_for(
            f"{trial.name}: no process is left",
            trial.alive,
            lambda pods: not pods,
            seconds=MOST,
            every=0.1,
        )
        took = monotonic() - accepted
        self.seconds[phase].append(took)
        TALLY.took("from an accepted stop until no process was left", took)

    def told(self) -> list[str]:
        """A line for each phase, and one for all."""
        every = [one for some in self.seconds.values() for one in some]
        rows = [*self.seconds.items(), ("all", every)] if every else []
        return [f"{phase}: {spread(some)}" for phase, some in rows]
