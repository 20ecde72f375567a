"""What is to be run: the RunInput of the task and the slice of this pod, checked."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.runner import credentials, variables, vaulted
from controller.runner.paths import Paths
from crds import hosts
from crds.hosts import Address
from crds.nesting import DEEPEST, too_deep
from crds.records import RunStatus
from crds.runinput import RunInput, UnknownFields, is_play

_WORK: Final = ("tasks", "roles", "playbook")
"""Fields of RunInput with parts of a playbook."""
_USER: Final = re.compile(r"[A-Za-z0-9_.@+][A-Za-z0-9_.@+$-]*")


class Refused(ValueError):
    """The input can't be run; says why in one sentence, without secrets."""

    status = RunStatus.INVALID


class RefusedSecret(Refused):
    """A Secret is the matter; names it and its key."""

    status = RunStatus.SECRET_INVALID


class RefusedVersion(Refused):
    """Not the work is the matter, but that the runner is older than the controller."""

    status = RunStatus.CRASHED


@dataclass(frozen=True, slots=True)
class Slice:
    """One pod's share of a task: the hosts in the caller's order and their variables."""

    input: RunInput
    index: int
    hosts: dict[str, Address]
    variables: dict[str, Any]
    secrets: tuple[str, ...] = ()
    """Texts that came encrypted."""

    @property
    def uploads(self) -> tuple[str, ...]:
        """Where the parts of its overflow go, in order; none where there is no object store."""
        return self.input.uploads[self.index] if self.input.uploads else ()


def read(paths: Paths, index: int) -> Slice:
    """This pod's slice; Refused where it can't be run as it stands."""
    try:
        given = RunInput.load(paths.input.read_text(encoding="utf-8"))
        names = given.slices[index]
    except UnknownFields as error:
        raise RefusedVersion(
            f"the runner image is older than the controller: it does not know {error}"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise Refused(f"the run's input can't be read ({type(error).__name__})") from error
    if given.uploads and len(given.uploads) != len(given.slices):
        raise Refused("the run's input has no upload URLs for some of its slices")
    given = _as_data(given)
    if not _USER.fullmatch(given.user):
        raise Refused(f"user {given.user!r} is no name of a user")
    try:
        addresses = {name: hosts.parse(name) for name in names}
        variables.check(list(given.variables))
    except (hosts.BadHost, variables.BadVariables) as error:
        raise Refused(str(error)) from error
    try:
        credentials.check(paths, given)
        secret = variables.read_folders(paths.variables, given.vars_from)
    except (credentials.BadSecret, variables.BadVariables) as error:
        raise RefusedSecret(str(error)) from error
    except OSError as error:
        raise RefusedSecret(f"a Secret can't be read ({type(error).__name__})") from error
    return _opened(paths, Slice(given, index, addresses, given.variables | secret))


def _opened(paths: Paths, slice_: Slice) -> Slice:
    """The slice with what ansible-vault encrypted: read in variables, known as such in the work."""
    given = slice_.input
    work = {part: vaulted.tagged(getattr(given, part)) for part in _WORK}
    variables_ = vaulted.tagged(slice_.variables)
    ciphers = set(vaulted.texts([*work.values(), variables_]))
    if ciphers and not given.vault_password_secret:
        raise Refused(vaulted.NO_PASSWORD)
    opened = dict[str, str]()
    if ciphers:
        try:
            opened = vaulted.decrypt(ciphers, paths.vault_password.read_text(encoding="utf-8"))
        except vaulted.Locked as locked:
            where = credentials.where(given.vault_password_secret, paths.vault_password)
            raise RefusedSecret(f"{where}: {locked}") from None
    return replace(
        slice_, input=replace(given, **work), variables=vaulted.plain(variables_, opened),
        secrets=tuple(opened.values()),
    )  # fmt: skip


def _as_data(given: RunInput) -> RunInput:
    """The input with its text of work read; the items tell whether they are tasks or plays."""
    if given.work is None:
        return given
    try:
        items = json.loads(given.work)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        raise Refused("spec.work must be JSON text of a list of tasks or of plays")
    if too_deep(items):
        raise Refused(f"spec.work nests deeper than {DEEPEST} levels")
    plays = [is_play(item) for item in items]
    if any(plays) and not all(plays):
        raise Refused("spec.work must hold either tasks or plays, not both")
    if any(plays):
        return replace(given, work=None, playbook=items)
    return replace(given, work=None, tasks=items)


def plays(given: RunInput) -> list[dict[str, Any]]:
    """The playbook; the plays of a caller as they are, else one play around the work."""
    if given.playbook is not None:
        return given.playbook
    play: dict[str, Any] = {
        # The key by which Ansible's JSON reader knows a text that is never a template.
        "name": {"__ansible_unsafe": given.task_name},
        "hosts": "all",
        "gather_facts": given.gather_facts,
    }
    if given.roles is not None:
        return [play | {"roles": given.roles}]
    return [play | {"tasks": given.tasks or []}]
