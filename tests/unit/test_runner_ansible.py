"""The parts that Ansible itself loads, given to the real Ansible."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.runner import processes
from controller.runner.modules import longscript

interpreter: Callable[..., list[str]] = longscript.interpreter


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, imported, with our plugin as the only one that reads inventories."""
    from ansible import constants  # noqa: PLC0415

    from controller.runner import launch as found  # noqa: PLC0415 - imports all of Ansible

    monkeypatch.setattr(constants, "INVENTORY_ENABLED", ["octans"])
    return found


def inventory(launch: Any, folder: Path, *names: str) -> Any:
    """Ansible's own inventory of these hosts, through our plugin."""
    assert launch
    from ansible.inventory.manager import InventoryManager  # noqa: PLC0415
    from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415
    from ansible.plugins.loader import inventory_loader  # noqa: PLC0415

    inventory_loader.add_directory(str(Path(processes.__file__).parent / "plugins" / "inventory"))
    file = folder / "octans-hosts.json"
    hosts = {name: {"ansible_host": "10.0.0.1"} for name in names}
    file.write_text(json.dumps({"vars": {"v": "{{ 1 + 1 }}"}, "hosts": hosts}))
    return InventoryManager(loader=DataLoader(), sources=[str(file)])


PLAYS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "all": ([{"hosts": "all"}], ""),
    "a name": ([{"hosts": ["web1", "db1:2222"]}], ""),
    "localhost": ([{"hosts": "all"}, {"hosts": "localhost"}], "play 2: hosts names localhost"),
    "loopback": ([{"hosts": "127.0.0.1"}], "play 1: hosts names localhost"),
    "nobody": ([{"hosts": "app*"}], "matches none"),
    "nobody, later": ([{"hosts": "all", "tasks": []}, {"hosts": "app*"}], "play 2: hosts 'app"),
    "a group that may be made": (
        [{"hosts": "all", "tasks": [{"ansible.builtin.group_by": {"key": "g"}}]}, {"hosts": "g"}],
        "",
    ),
    "a group that the first play can't have": (
        [{"hosts": "g", "tasks": [{"group_by": {"key": "g"}}]}],
        "play 1: hosts 'g' matches",
    ),
    "localhost, whatever was made": (
        [{"hosts": "all", "roles": ["r"]}, {"hosts": "localhost"}],
        "play 2: hosts names localh",
    ),
    "evaluated later": ([{"hosts": "{{ x }}"}], ""),
    "an import": ([{"import_playbook": "x.yml"}], ""),
    "nonsense": ([{"hosts": [1]}], ""),
}


@pytest.mark.parametrize("row", PLAYS)
def test_check_hosts(launch: Any, tmp_path: Path, row: str) -> None:
    plays, expected = PLAYS[row]
    found = inventory(launch, tmp_path, "web1", "db1:2222")
    from ansible.errors import AnsibleParserError  # noqa: PLC0415

    targets = launch.Targets(plays, found)
    if not expected:
        targets.check_all()
        return
    with pytest.raises(AnsibleParserError, match=expected):
        targets.check_all()


MAKERS: dict[str, tuple[Any, bool]] = {
    "in a block": ({"tasks": [{"block": [{"add_host": "name=x"}]}]}, True),
    "as an action": ({"tasks": [{"action": "group_by key=x"}]}, True),
    "as a module of an action": (
        {"tasks": [{"action": {"module": "add_host", "name": "x"}}]},
        True,
    ),
    "by an include": ({"tasks": [{"ansible.builtin.include_role": {"name": "x"}}]}, True),
    "none": ({"tasks": [{"name": "x", "raw": "echo"}], "vars": {"a": [1, None]}}, False),
}


@pytest.mark.parametrize("row", MAKERS)
def test_what_may_make_hosts(row: str) -> None:
    from controller.runner import targets  # noqa: PLC0415 - imports Ansible

    assert targets.makes_hosts(MAKERS[row][0]) is MAKERS[row][1]


def test_names_of_hosts_are_texts(launch: Any, tmp_path: Path) -> None:
    names = ["web[1:3]", "{{ x }}", "db1:2222", "[::1]:22"]
    found = inventory(launch, tmp_path, *names)
    assert [host.name for host in found.get_hosts()] == names
    assert found.get_hosts()[0].vars["ansible_host"] == "10.0.0.1"
    assert found.groups["all"].vars["v"] == "{{ 1 + 1 }}"


INTERPRETERS = {
    "#!/usr/bin/env python3\nx": ["/usr/bin/env", "python3"],
    "#! /bin/sh -eu\r\nx": ["/bin/sh", "-eu"],
    "#!/bin/awk -f  x y": ["/bin/awk", "-f  x y"],
    "echo": ["/bin/bash"],
    "#!\necho": ["/bin/bash"],
    "": ["/bin/bash"],
}


@pytest.mark.parametrize("content", INTERPRETERS)
def test_interpreter(content: str) -> None:
    assert interpreter(content, exists=lambda _: True) == INTERPRETERS[content]


def test_interpreter_without_bash() -> None:
    assert interpreter("echo", exists=lambda _: False) == ["/bin/sh"]


ORPHANS = """
import os, subprocess, sys, time
from controller.runner import processes
processes.protect()
subprocess.run(["sh", "-c", "setsid sleep 60 & setsid true &"])
deadline = time.monotonic() + 10
while len(processes.descendants()) != 1 and time.monotonic() < deadline:
    time.sleep(0.01)
seen = processes.reap(set())
assert len(seen) == 1, seen
assert processes.reap(seen) == set()
assert processes.reap(set()) == set()
processes.kill_all()
assert processes.descendants() == set()
"""


def test_orphans_are_found_ended_and_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS], check=False, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_signal_to_a_process_that_is_gone() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert processes.send(signal.SIGTERM, {gone.pid}) == {gone.pid}
