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
        """What a list found and the watch has yet to show: version, and since when."""
        self._sign: float | None = None
        """When the watch last showed something, or a list last found that it owes nothing."""

    def show(self, seen: Shown, now: float) -> None:
        """The watch has shown an object."""
        self._sign = now
        if seen.deleted:
            self._shown.pop(seen.name, None)
            self._owed.pop(seen.name, None)
            return
        self._shown[seen.name] = max(seen.version, self._shown.get(seen.name, 0))
        if seen.version >= self._owed.get(seen.name, (0, 0.0))[0]:
            self._owed.pop(seen.name, None)

    def compare(self, listed: Mapping[str, int], version: int, now: float) -> None:
        """A list found these objects, name to resource version; `version` is the list's own."""
        self._owed = {
            name: (newest, self._owed.get(name, (0, now))[1])
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

    def age(self, now: float) -> float | None:
        """Seconds since the watch was last known to show what there is; None: it never was."""
        if self._sign is None:
            return None
        return self.behind(now) if self._owed else now - self._sign
