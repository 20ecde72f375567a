"""ansible-runner's private data directory, and the command that works in it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller.runner import inputs
from controller.runner.inputs import Slice
from controller.runner.paths import Paths

CONNECT_TIMEOUT: Final = 30
"""Seconds for a host to accept a connection and greet."""
_ROLES: Final = "/usr/share/ansible/roles"
_HERE: Final = Path(__file__).resolve().parent

_SSH: Final = (
    "-F /dev/null -o ControlMaster=auto -o ControlPersist=60s -o IdentitiesOnly=yes"
    " -o GSSAPIAuthentication=no -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
    # Else "Shared connection closed" stands in stderr of results.
    " -o LogLevel=ERROR"
)
_STRICT: Final = "-o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null"
_OFF: Final = (
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
)


@dataclass(frozen=True, slots=True)
class Command:
    """What ansible-runner starts; `env` is added to the process's own environment."""

    arguments: list[str]
    env: dict[str, str]
    folder: Path


def write(paths: Paths, slice_: Slice, own: Mapping[str, Mapping[str, str]]) -> Command:
    """Write all that Ansible reads, readable by this user only; `own` are variables by host."""
    given = slice_.input
    for folder in (paths.run, paths.play, paths.run / "env", paths.control):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _link_project(paths)
    playbook = _put(paths.play / "octans-play.json", inputs.plays(given))
    inventory = _put(paths.run / "octans-hosts.json", _inventory(slice_, own))
    _put(paths.run / "env" / "settings", {"suppress_output_file": True})
    config = paths.run / "ansible.cfg"
    config.write_text(_config(paths, slice_), encoding="utf-8")
    arguments = ["-P", str(_HERE / "launch.py"), *_options(paths, slice_)]
    env = {
        "ANSIBLE_CONFIG": str(config),
        # ansible-runner would set it to False; whether keys are checked stands in ssh_args.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "HOME": str(paths.home),
        "LC_ALL": "C.UTF-8",
        # Results longer than this are emptied by ansible-runner, return code and all.
        "MAX_EVENT_RES": str(16 * 1024 * 1024),
        "OCTANS_OUTCOMES": str(paths.outcomes),
    }
    if given.playbook is not None:
        every = [name for part in given.slices for name in part]
        env["OCTANS_CHECK_HOSTS"] = str(_put(paths.run / "octans-all-hosts.json", every))
    return Command([*arguments, "-i", str(inventory), str(playbook)], env, paths.play)


def _put(file: Path, value: object) -> Path:
    file.touch(mode=0o600)
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def _link_project(paths: Paths) -> None:
    """Make the project's files those of the playbook's folder, which Ansible searches."""
    if not paths.project.is_dir():
        return
    for entry in paths.project.iterdir():
        link = paths.play / entry.name
        if not link.is_symlink():
            link.symlink_to(entry)


def _inventory(slice_: Slice, own: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    default = slice_.input.port
    hosts: dict[str, dict[str, str | int]] = {}
    for name, address in slice_.hosts.items():
        hosts[name] = {"ansible_host": address.host, **own.get(name, {})}
        if address.port is not None and address.port != default:
            hosts[name]["ansible_port"] = address.port
    return {"vars": slice_.variables, "hosts": hosts}


def _options(paths: Paths, slice_: Slice) -> list[str]:
    given = slice_.input
    options = ["--forks", str(given.forks), "--user", given.user]
    options += [f"-{'v' * given.verbosity}"] if given.verbosity else []
    options += ["--become"] if given.become else []
    options += ["--check"] if given.check else []
    options += ["--diff"] if given.diff else []
    options += ["--tags", ",".join(given.tags)] if given.tags else []
    options += ["--skip-tags", ",".join(given.skip_tags)] if given.skip_tags else []
    options += ["--limit", given.limit] if given.limit else []
    for option, file in (
        ("--become-password-file", paths.become_password),
        ("--vault-password-file", paths.vault_password),
        ("--private-key", paths.private_key),
    ):
        options += [option, str(file)] if file.exists() else []
    return options


def _config(paths: Paths, slice_: Slice) -> str:
    strict = slice_.input.host_keys != "off"
    known = f"{_STRICT} -o UserKnownHostsFile={paths.known_hosts}" if strict else _OFF
    library = os.pathsep.join([str(_HERE / "modules"), "/usr/share/ansible/plugins/modules"])
    sections: dict[str, dict[str, str | int | bool]] = {
        "defaults": {
            "home": str(paths.home / ".ansible"),
            "local_tmp": str(paths.home / ".ansible" / "tmp"),
            "library": library,
            "roles_path": os.pathsep.join([str(paths.project / "roles"), _ROLES]),
            "inventory_plugins": str(_HERE / "plugins" / "inventory"),
            "remote_port": slice_.input.port,
            "transport": "ssh",
            "timeout": CONNECT_TIMEOUT,
            "interpreter_python": "auto_silent",
            # Machines' programs speak in other encodings too; else a task that did its work is
            # called failed for a byte of its output.
            "module_strict_utf8_response": False,
            "precedence": ", ".join((
                # The run's variables win over group_vars of the project.
                "all_plugins_inventory", "all_plugins_play", "groups_inventory",
                "groups_plugins_inventory", "groups_plugins_play", "all_inventory",
            )),
            "retry_files_enabled": False,
            "deprecation_warnings": False,
            "nocows": True,
            "nocolor": True,
            "force_color": False,
        },
        "inventory": {"enable_plugins": "octans"},
        "ssh_connection": {
            "pipelining": slice_.input.pipelining,
            "control_path_dir": str(paths.control),
            "ssh_args": f"{_SSH} {known}",
        },
    }  # fmt: skip
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()
    )
