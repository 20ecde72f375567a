"""What the controller hands to the program in the pod: one JSON file, and where files stand.

The controller writes it once into an immutable Secret; the runner reads it and nothing else of the
task. Secrets that the task names are mounted beside it, never copied into it.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

INPUT_FILE: Final = "/run/octans/input/input.json"
VARS_DIR: Final = "/run/octans/vars"
"""Holds `0/`, `1/`, ...: the Secrets of `varsFrom` in order (later ones win)."""
SSH_KEY_FILE: Final = "/run/octans/ssh/ssh-privatekey"
KNOWN_HOSTS_FILE: Final = "/run/octans/known-hosts/known_hosts"
BECOME_PASSWORD_FILE: Final = "/run/octans/become/password"
VAULT_PASSWORD_FILE: Final = "/run/octans/vault/password"
PROJECT_DIR: Final = "/project"
"""`roles/`, `files/`, `templates/` that work may use; a volume, or part of the image."""
HOME_DIR: Final = "/home/octans"
"""The runner user's home: a private emptyDir, also Ansible's folder for everything temporary."""
TERMINATION_FILE: Final = "/dev/termination-log"

UID: Final = 1000
"""User and group id of the runner."""
VARS_KEY: Final = "vars.json"
"""Key of a `varsFrom` Secret that holds an object of variables (`vars.yaml`, `vars.yml` likewise);
any other key is the name of one variable, its value the text."""


def is_play(item: dict[str, Any]) -> bool:
    """Whether an item of work is a play and no task."""
    return "hosts" in item or "import_playbook" in item


class UnknownFields(ValueError):
    """The input has fields that this version does not know; names them."""


@dataclass(frozen=True, slots=True)
class RunInput:
    """All that a run needs besides mounted Secrets; exactly one of tasks, roles, playbook and
    work is set.

    `slices` holds the hosts of each of the Job's indexes in order, as the caller wrote them;
    `timeout` is in seconds.
    """

    task_name: str
    slices: tuple[tuple[str, ...], ...]
    tasks: list[dict[str, Any]] | None = None
    roles: list[dict[str, Any]] | None = None
    playbook: list[dict[str, Any]] | None = None
    work: str | None = None
    """Tasks or plays as JSON text."""
    variables: dict[str, Any] = field(default_factory=dict)
    vars_from: tuple[str, ...] = ()
    """Names of the Secrets in the folders of VARS_DIR."""
    ssh_key_secret: str = ""
    """Name of the Secret mounted where SSH_KEY_FILE is; the next three likewise. Empty: none."""
    known_hosts_secret: str = ""
    become_password_secret: str = ""
    vault_password_secret: str = ""
    user: str = "root"
    port: int = 22
    forks: int = 5
    timeout: int = 3600
    gather_facts: bool = True
    become: bool = False
    pipelining: bool = True
    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    limit: str = ""
    verbosity: int = 0
    host_keys: str = "strict"
    """`strict`: known_hosts decides; `off`: any host key is accepted."""
    key_url: str = ""
    """Where not empty, each host's private key is fetched from it + the host's address."""
    secret_names: str = "pass|secret|token|key"
    """Regular expression; values of variables so named (6 characters on) are replaced in output."""
    grace: int = 30
    """Seconds between SIGTERM and SIGKILL of the pod."""
    uploads: tuple[tuple[str, ...], ...] = ()
    """For each slice the URLs to which the parts of its overflow are PUT, in order; they are
    pre-signed, so secrets. Empty: there is no object store."""
    upload_headers: dict[str, str] = field(default_factory=dict)
    """Headers that each of these PUTs needs."""

    def dump(self) -> str:
        """As JSON text."""
        return json.dumps(
            {name: getattr(self, name) for name in self.__dataclass_fields__},
            separators=(",", ":"),
        )

    @classmethod
    def load(cls, text: str) -> "RunInput":
        """From JSON text; UnknownFields where a newer program wrote it, else ValueError or
        TypeError where it is none."""
        data = json.loads(text)
        if unknown := sorted(set(data) - set(cls.__dataclass_fields__)):
            raise UnknownFields(", ".join(unknown))
        for name in ("tags", "skip_tags", "vars_from"):
            data[name] = tuple(data.get(name, ()))
        data["slices"] = tuple(tuple(hosts) for hosts in data["slices"])
        data["uploads"] = tuple(tuple(urls) for urls in data.get("uploads", ()))
        return cls(**data)
