"""Whether the watch of one kind shows what there is: what lists find, it must have shown. Pure.

A watch that is silent, was cut without a word, or drops events can't be told from a quiet cluster
by itself.
"""

from collections.abc import Mapping

from controller.handlers import Shown


class Sight:
    """What a watch has shown of the objects of one kind; all times in seconds of one clock."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        """Resource version of each object, by name."""
        self._owed: dict[str, tuple[int, float]] = {}
        """What a list found and the watch has yet to show: the first such version, and since when.
        With the newest one, an object that goes on changing would be owed for ever where the watch
        is a little late."""
        self._sign: float | None = None
        """When the watch last showed something, or a list last found that it owes nothing."""

    def show(self, seen: Shown, now: float) -> None:
        """The watch has shown an object."""
        self._sign = now
        if seen.version < self._shown.get(seen.name, 0):
            return  # kopf may tell the end of an object after the beginning of its successor
        if seen.deleted:
            self._shown.pop(seen.name, None)
            self._owed.pop(seen.name, None)
            return
        self._shown[seen.name] = seen.version
        if seen.version >= self._owed.get(seen.name, (0, 0.0))[0]:
            self._owed.pop(seen.name, None)

    def compare(self, listed: Mapping[str, int], version: int, now: float) -> None:
        """A list found these objects, name to resource version; `version` is the list's own."""
        self._owed = {
            name: self._owed.get(name, (newest, now))
            for name, newest in listed.items()
            if newest > self._shown.get(name, 0)
        }
        # After a list of its own, kopf says nothing of what has vanished.
        self._shown = {
            name: shown for name, shown in self._shown.items() if name in listed or shown > version
        }
        if not self._owed:
            self._sign = now

    def unknown(self, now: float) -> None:
        """No list could be had: whether the watch shows what there is can't be told for now."""
        self._owed = {name: (version, now) for name, (version, _) in self._owed.items()}

    def behind(self, now: float) -> float:
        """For how many seconds the watch has owed something; 0: it owes nothing."""
        return max((now - since for _, since in self._owed.values()), default=0.0)

    def owed(self, now: float) -> str:
        """In words, what the watch has owed for longest; empty: nothing."""
        if not self._owed:
            return ""
        name, (version, since) = min(self._owed.items(), key=lambda owed: owed[1][1])
        shown = self._shown.get(name, "none")
        return f"{name} in version {version} for {now - since:.0f} s, shown: {shown}"

    def age(self, now: float) -> float | None:
        """Seconds since the watch was last known to show what there is; None: it never was."""
        if self._sign is None:
            return None
        return self.behind(now) if self._owed else now - self._sign
