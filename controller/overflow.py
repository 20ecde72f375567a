"""How much of a slice's output beyond its pod's limit is in the object store; pure."""

from crds import ranges
from crds.frames import Kind, Record
from crds.records import Overflow, Part, Summary


class OverflowBook:
    """What frames and the runner's last word tell of one slice's overflow."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        """Those that the store has taken, in the order in which it did."""
        self.told: Overflow | None = None
        """The runner's own sum; None: it gave none, or wrote nothing."""
        self._last = 0
        """Number of the last frame that is known of."""

    def add(self, record: Record) -> None:
        """Take in a record of the pod's log."""
        last = record.data.get("full") if record.kind is Kind.TASK else None
        if record.kind is Kind.PART and (part := Part.read(record.data)) is not None:
            self.parts.append(part)
            last = part.last
        if isinstance(last, int):
            self._last = max(self._last, last)

    def sum_up(self, summary: Summary) -> None:
        """Take in the end frame, or the termination message."""
        if summary.overflow is not None:
            self.told = summary.overflow
            self._last = max(self._last, summary.overflow.last)

    @property
    def missing(self) -> int:
        """Frames that are known of and not known to be in the store."""
        kept = [(part.first, part.last) for part in self.parts]
        return max(0, self._last - ranges.count([*kept, *(self.told.kept if self.told else ())]))
