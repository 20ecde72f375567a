"""Ansible's own process: `ansible-playbook` that is checked, judged, never asks, and ends faster.

Run as a script by the runner, never imported by it: it imports Ansible, which takes half a second.
"""

# ruff: noqa: E402 - the collector is off while Ansible is imported: a seventh of that time
import gc

gc.disable()

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))  # a script's own folders are not there

import ansible.cli.playbook
from ansible.cli.playbook import PlaybookCLI
from ansible.executor import playbook_executor, task_queue_manager
from ansible.executor.play_iterator import PlayIterator
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.executor.task_queue_manager import AnsibleEndPlay, TaskQueueManager
from ansible.inventory.manager import InventoryManager
from ansible.plugins import strategy

from controller.runner import prompts
from controller.runner.judge import Judge, Standing, Word
from controller.runner.targets import Targets

OUTCOMES = "OCTANS_OUTCOMES"
"""Environment variable: the file for the judge's word."""
CHECK_HOSTS = "OCTANS_CHECK_HOSTS"
"""Environment variable: set where the plays are the caller's, whose `hosts` may match nothing.

It names a file with the list of all the task's hosts: this slice has but some of them.
"""

_META = frozenset({"meta", "ansible.builtin.meta", "ansible.legacy.meta"})


class Launch(PlaybookCLI):  # type: ignore[misc]
    """`ansible-playbook` that refuses plays for no host of the task before it runs the first."""

    def _play_prereqs(self) -> Any:  # noqa: ANN401 - three untyped objects of Ansible
        loader, inventory, variables = super()._play_prereqs()
        if file := os.environ.get(CHECK_HOSTS):
            whole = InventoryManager(loader, parse=False)
            for name in _read(file):
                whole.add_host(name)
            whole.reconcile_inventory()
            Manager.targets = Targets(_read(self.args[-1]), whole)
            Manager.targets.check_all()
        return loader, inventory, variables


class Executor(PlaybookExecutor):  # type: ignore[misc]
    """Tells the judge which hosts each play is for, and when a fault in the work ends it all."""

    def run(self) -> Any:  # noqa: ANN401 - Ansible's, untyped
        try:
            return super().run()
        except Exception:
            self._tqm.tell(aborted=True)
            raise

    def _get_serialized_batches(self, play: Any) -> Any:  # noqa: ANN401 - Ansible's, untyped
        batches = super()._get_serialized_batches(play)
        # Ansible's own localhost is no host of the task, and refused when the play begins.
        hosts = [host.name for batch in batches for host in batch if not host.implicit]
        self._tqm.begin(play, hosts)
        return batches


class Iterator(PlayIterator):  # type: ignore[misc]
    """Ansible's own book on the hosts of a batch; it tells the judge of what it takes in."""

    def __init__(self, judge: Judge, **given: Any) -> None:  # noqa: ANN401 - Ansible's, untyped
        super().__init__(**given)
        self._judge = judge

    def mark_host_failed(self, host: Any) -> None:  # noqa: ANN401 - Ansible's, untyped
        self._judge.given_up(host.name, tasks_left=self.has_work(host))
        super().mark_host_failed(host)
        if not self.is_failed(host):
            self._judge.rescued(host.name)

    def has_work(self, host: Any) -> bool:  # noqa: ANN401 - Ansible's, untyped
        """Whether a task is left for a host, or a handler that it notified; `meta` is no task."""
        state = self.get_host_state(host)  # a copy
        if state.handler_notifications or any(h.is_host_notified(host) for h in self.handlers):
            return True
        task = True
        while task:
            state, task = self._get_next_task_from_state(state, host=host)
            if task and task.action not in _META:
                return True
        return False

    def clear_host_errors(self, host: Any) -> None:  # noqa: ANN401 - Ansible's, untyped
        self._judge.cleared(host.name)
        super().clear_host_errors(host)


class Manager(TaskQueueManager):  # type: ignore[misc]
    """Runs plays under the eyes of the judge."""

    targets: Targets | None = None
    """Set where the plays are the caller's."""

    def __init__(self, *args: Any, **given: Any) -> None:  # noqa: ANN401 - Ansible's, untyped
        super().__init__(*args, **given)
        self._judge = Judge()
        self._plays: list[Any] = []
        """Plays that have not begun."""
        self._iterator: Iterator | None = None
        self._rescued: dict[str, int] = {}
        self._told = False

    def begin(self, play: Any, hosts: list[str]) -> None:  # noqa: ANN401 - Ansible's, untyped
        """A play begins."""
        self._plays = [other for other in self._plays if other is not play]
        self._judge.play(hosts)

    def run(self, play: Any) -> Any:  # noqa: ANN401 - Ansible's, untyped
        """One batch of a play."""
        hosts = self._inventory.get_hosts(play.hosts)
        batch = [host.name for host in hosts if not host.implicit]
        self._judge.batch(batch, {*self._failed_hosts, *self._unreachable_hosts})
        self._iterator = None
        task_queue_manager.PlayIterator = self._iterate
        try:
            return super().run(play)
        except AnsibleEndPlay:
            self._judge.end_on_purpose()
            raise
        finally:
            if self._iterator is not None:
                self._judge.batch_ended({name: self._standing(name) for name in batch})

    def _iterate(self, **given: Any) -> Iterator:  # noqa: ANN401 - Ansible's, untyped
        self._iterator = Iterator(self._judge, **given)
        return self._iterator

    def _standing(self, name: str) -> Standing:
        host = self._inventory.get_host(name)
        if name in self._unreachable_hosts:
            return Standing.UNREACHABLE
        if self._iterator is None or self._iterator.is_failed(host):
            return Standing.FAILED
        return Standing.OPEN if self._iterator.has_work(host) else Standing.DONE

    def send_callback(self, name: str, *args: Any, **more: Any) -> None:  # noqa: ANN401
        match name:
            case "v2_playbook_on_start":
                self._plays = args[0].get_plays()
                prompts.answer(self._plays, self._inventory.groups["all"].get_vars())
            case "v2_playbook_on_play_start" if self.targets is not None:
                # What stood in {{ }} is known by now, and which groups there are.
                self.targets.check_started(args[0], self._inventory)
            case "v2_runner_on_start":
                self._judge.began(args[0].name)
            case "v2_runner_on_failed" if not more.get("ignore_errors"):
                self._failed(_host(args[0]))
            case "v2_runner_on_unreachable" if _host(args[0]) in self._unreachable_hosts:
                self._judge.unreachable(_host(args[0]))
            case "v2_playbook_on_stats":
                self.tell()
        super().send_callback(name, *args, **more)

    def _failed(self, host: str) -> None:
        # Of all that a failure is counted as, only this says that a rescue has taken over.
        count = self._stats.rescued.get(host, 0)
        self._judge.failed(host, rescued=count > self._rescued.get(host, 0))
        self._rescued[host] = count

    def tell(self, *, aborted: bool = False) -> None:
        """Leave the word on every host; the first time counts."""
        if self._told:
            return
        self._told = True
        self._inventory.remove_restriction()
        # What broke off may have been meant for any host.
        patterns = ["all"] if aborted else map(_patterns, self._plays)
        unreached = [host.name for each in patterns for host in self._inventory.get_hosts(each)]
        outcomes = self._judge.end(unreached, aborted=aborted)
        Word(time.time(), outcomes, aborted).write(Path(os.environ[OUTCOMES]))


def _patterns(play: Any) -> list[str]:  # noqa: ANN401 - Ansible's, untyped
    """What a play that never began is for; all, where nobody has evaluated it."""
    texts = [play.hosts] if isinstance(play.hosts, str) else list(play.hosts)
    return ["all"] if any("{{" in text for text in texts) else texts


def _host(result: Any) -> str:  # noqa: ANN401 - a class of its own in each ansible-core
    host = result.host if hasattr(result, "host") else result._host
    return str(host.name)


class NoDebugger:
    """In the place of Ansible's task debugger, which nobody could talk to."""

    def __init__(self, *given: Any) -> None:  # noqa: ANN401 - Ansible's, untyped
        self._next = given[-1]

    def cmdloop(self) -> None:
        """Go on as if no debugger had been asked for."""
        self._next.result = strategy.NextAction.CONTINUE


def _read(file: str) -> Any:  # noqa: ANN401 - JSON that we have written
    return json.loads(Path(file).read_text(encoding="utf-8"))


def main() -> None:
    """Do what ansible-playbook does, in a session of its own."""
    os.setsid()
    gc.freeze()  # the forks share what was imported
    gc.enable()
    ansible.cli.playbook.PlaybookExecutor = Executor
    playbook_executor.TaskQueueManager = Manager
    strategy.Debugger = NoDebugger
    try:
        Launch.cli_executor(sys.argv)
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        # Python's own way out takes a tenth of a second; what Ansible leaves dies with the pod.
        os._exit(ended.code if isinstance(ended.code, int) else 1)


if __name__ == "__main__":
    main()
