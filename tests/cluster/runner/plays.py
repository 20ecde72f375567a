"""Playbooks over three hosts that are this machine, and what became of them.

A task that a host does leaves a file `NAME-HOST`: what really happened can be read afterwards,
whatever anybody says. Ansible is imported once, and every playbook runs in a fork of that process:
a hundred take half a minute.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.runner import processes
from controller.runner.judge import Word
from crds.conditions import Outcome

HOSTS = ("a", "b", "c")
Work = list[dict[str, Any]]


def mark(name: str, **more: Any) -> dict[str, Any]:
    """A task that leaves a marker."""
    return {
        "name": name,
        "raw": f"touch {{{{ marks }}}}/{name}-{{{{ inventory_hostname }}}}",
        **more,
    }


def fail(*hosts: str, name: str = "fail", **more: Any) -> dict[str, Any]:
    """A task that leaves a marker, and fails on these hosts."""
    task = mark(name)
    ends = "; {{ 'false' if inventory_hostname in bad else 'true' }}"
    return {**task, "raw": task["raw"] + ends, "vars": {"bad": hosts}, **more}


def lose(*hosts: str, name: str = "lose", **more: Any) -> dict[str, Any]:
    """A task for which these hosts can't be reached."""
    there = "{{ 'ssh' if inventory_hostname in bad else 'local' }}"
    return {"name": name, "raw": "true", "connection": there, "vars": {"bad": hosts}, **more}


def meta(what: str, *hosts: str) -> dict[str, Any]:
    """One of Ansible's own actions, for some hosts or all."""
    return {"meta": what, "when": f"inventory_hostname in {list(hosts or HOSTS)}"}


def play(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A play of this machine for all hosts."""
    return {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks, **more}


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a playbook."""

    rc: int
    output: str
    word: Word | None
    marks: frozenset[str]

    @property
    def told(self) -> str:
        """The outcomes, as `a=ok b=failed c=leftOut`."""
        told = self.word.outcomes if self.word else {}
        names = sorted({*HOSTS, *told})
        return " ".join(f"{name}={told.get(name, Outcome.LEFT_OUT)}" for name in names)

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Ansible's own numbers by host."""
        lines = re.findall(r"^(\S+) +: (ok=.*)$", self.output, re.MULTILINE)
        return {
            host: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts)}
            for host, counts in lines
        }


def run_all(folder: Path, works: list[Work], *, plain: bool = False) -> list[Played]:
    """Run playbooks, two at a time; `plain` by ansible-playbook as it is."""
    folder.mkdir()
    plugins = Path(processes.__file__).parent / "plugins" / "inventory"
    (folder / "ansible.cfg").write_text(
        f"[defaults]\nhome = {folder}/home\ninventory_plugins = {plugins}\nnocolor = True\n"
        "retry_files_enabled = False\ntimeout = 5\n[inventory]\nenable_plugins = octans\n"
        "[ssh_connection]\nssh_args = -F /dev/null\n"
    )
    for number, work in enumerate(works):
        _write(folder / str(number), work)
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.runner.plays", str(folder), str(len(works)),
         "plain" if plain else "judged"],
        env=os.environ | {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False, timeout=60 + 5 * len(works),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [_read(folder / str(number)) for number in range(len(works))]


def _write(case: Path, work: Work) -> None:
    (case / "marks").mkdir(parents=True)
    (case / "broken.yml").write_text("- name: [")
    (case / "play.json").write_text(json.dumps(work))
    variables = {"marks": str(case / "marks"), "ansible_python_interpreter": sys.executable}
    nowhere = {host: {"ansible_host": f"{host}.invalid"} for host in HOSTS}
    hosts = {"hosts": nowhere, "vars": variables}
    (case / "octans-hosts.json").write_text(json.dumps(hosts))
    (case / "hosts.json").write_text(json.dumps(HOSTS))


def _read(case: Path) -> Played:
    marks = frozenset(file.name for file in (case / "marks").iterdir())
    output = (case / "output").read_text()
    return Played(int((case / "rc").read_text()), output, Word.read(case / "word.json"), marks)


def _fork(case: Path, kind: str) -> int:
    from controller.runner import launch  # noqa: PLC0415 - Ansible; in the forks' parent only

    if pid := os.fork():
        return pid
    out = os.open(case / "output", os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(case)
    os.environ["OCTANS_OUTCOMES"] = str(case / "word.json")
    os.environ["OCTANS_CHECK_HOSTS"] = str(case / "hosts.json")
    sys.argv = ["ansible-playbook", "-i", "octans-hosts.json", "play.json"]
    launch.main() if kind == "judged" else launch.Launch.__base__.cli_executor(sys.argv)
    os._exit(0)


def main(folder: Path, count: int, kind: str) -> None:
    """Run the playbooks in the folder's folders."""
    waiting = list(range(count))
    running: dict[int, Path] = {}
    while waiting or running:
        if waiting and len(running) < 2:
            case = folder / str(waiting.pop(0))
            running[_fork(case, kind)] = case
            continue
        pid, status = os.wait()
        (running.pop(pid) / "rc").write_text(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
