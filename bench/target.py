"""The installation that is measured, from the variables that `make env` prints."""

from collections.abc import Mapping
from dataclasses import dataclass

_NEEDED = ("OCTANS_URL", "OCTANS_HOSTS", "OCTANS_TASKS_NAMESPACE", "KUBECONFIG")


class NotGivenError(Exception):
    """Something is missing; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    """An API, the namespace its tasks live in, and machines that it may use."""

    url: str
    token: str
    """Bearer token; empty where none is needed."""
    hosts: tuple[str, ...]
    namespace: str


def read(environ: Mapping[str, str]) -> Target:
    """The target; NotGivenError where a variable is missing."""
    missing = [name for name in _NEEDED if not environ.get(name)]
    if missing:
        raise NotGivenError(
            f'Not set: {", ".join(missing)}. `eval "$(make env)"` sets what the benchmark needs '
            "from the running demo."
        )
    return Target(
        url=environ["OCTANS_URL"],
        token=environ.get("OCTANS_TOKEN", ""),
        hosts=tuple(environ["OCTANS_HOSTS"].split()),
        namespace=environ["OCTANS_TASKS_NAMESPACE"],
    )
