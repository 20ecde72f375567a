"""One run from input to end: the single thread that takes events, beats and signals in turn."""

import os
import secrets
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import metadata
from queue import Empty, SimpleQueue
from typing import Any, Final

from controller.runner import folder, inputs, processes, redact, summary
from controller.runner.course import BEAT, DRAIN, TERM_WAIT, Course
from controller.runner.emit import PART_COST, Emitter, Out
from controller.runner.inputs import Refused, Slice
from controller.runner.judge import Word
from controller.runner.overflow import Stream
from controller.runner.paths import Paths
from controller.runner.play import Drained, Ended, Play
from controller.runner.redact import Redactor
from controller.runner.report import Report
from controller.runner.upload import Patience, Uploaded, Uploader
from crds.frames import Kind
from crds.records import RunStatus

EXIT_CODES: Final = {
    RunStatus.INVALID: 2,
    RunStatus.TIMED_OUT: 3,
    RunStatus.STOPPED: 4,
    RunStatus.CRASHED: 5,
    RunStatus.ABORTED: 6,
    RunStatus.SECRET_INVALID: 7,
}
"""Of the runner's process; a run that was done gives 0, or 1 where a host ended badly."""


class Stop:
    """SIGTERM came; put into the queue by the signal handler."""


class Run:
    """One slice's run."""

    def __init__(self, paths: Paths, slice_: Slice, out: Out) -> None:
        now = time.monotonic()
        # The recap and the outcomes: each name twice, escaped at worst twice, and seven numbers.
        reserve = sum(len(name.encode()) * 4 + 140 for name in slice_.hosts)
        reserve += PART_COST * len(slice_.uploads)
        self._slice = slice_
        self._paths = paths
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._uploader = Uploader(slice_.uploads, slice_.input.upload_headers, self._messages)
        self._overflow = Stream(paths.overflow, len(slice_.uploads), self._uploader.take)
        self._emitter = Emitter(
            out, secrets.token_hex(16), time.time, reserve,
            self._overflow if slice_.uploads else None,
        )  # fmt: skip
        self._secrets = _secrets(paths, slice_)
        hosts = summary.Hosts(slice_.hosts, whole=len(slice_.input.slices) == 1)
        self._report = Report(hosts, self._emitter, Redactor(self._secrets))
        self._course = Course(now + slice_.input.timeout, now + BEAT)
        self._zombies: set[int] = set()

    def stop(self) -> None:
        """Ask for the end; safe in a signal handler, and a second time changes nothing."""
        self._messages.put(Stop())

    def carry_out(self) -> int:
        """Run Ansible to its end, report it, and give the exit code."""
        versions = {name: metadata.version(name) for name in ("ansible-core", "ansible-runner")}
        hosts = len(self._slice.hosts)
        self._emitter.always(
            Kind.START, {"hosts": hosts, "slice": self._slice.index, "versions": versions}
        )
        self._emitter.sum_up(self._report.summary(RunStatus.RUNNING, 0, ""))
        own = self._own_keys()
        play = Play(self._paths, folder.write(self._paths, self._slice, own), self._messages)
        if not self._told_to_end():
            play.start()
            while self._take(play):
                self._keep_time()
            processes.kill_all()
        return self._finish()

    def _own_keys(self) -> dict[str, dict[str, str]]:
        """Inventory variables of hosts that have a key of their own."""
        url = self._slice.input.key_url
        if not url or self._paths.ssh_key.exists():
            return {}
        from controller.runner import keys  # noqa: PLC0415 - HTTP and TLS, 40 ms, seldom needed

        found: dict[str, keys.Found] = {}
        for some in keys.fetch(url, self._slice.hosts):
            found |= some
            self._keep_time()
            if self._told_to_end():
                break
        self._report.redactor = Redactor([*self._secrets, *(key.text for key in found.values())])
        return keys.write(self._paths.keys, found)

    def _told_to_end(self) -> bool:
        """Whether the end was asked for before Ansible was started."""
        if not self._messages.empty():
            self._end_early(stopped=True)
        return self._course.ending

    def _take(self, play: Play) -> bool:
        """Handle the next message, or wait until something is due; False at the end."""
        course = self._course
        try:
            message = self._messages.get(timeout=max(0.0, course.due() - time.monotonic()))
        except Empty:
            return course.drain_until is None or time.monotonic() < course.drain_until
        match message:
            case Stop():
                self._end_early(stopped=True)
            case Ended(rc=rc):
                course.rc, course.drain_until = rc, time.monotonic() + DRAIN
                course.kill_at = None
                return not course.drained
            case Drained():
                course.drained = True
                return course.rc is None
            case Uploaded():
                self._uploaded(message)
            case _:
                play.taken()
                self._report.event(message)
        return True

    def _keep_time(self) -> None:
        now, course = time.monotonic(), self._course
        if now >= course.next_beat:
            course.next_beat = now + BEAT
            self._report.beat()
            self._zombies = processes.reap(self._zombies)
        if not course.ending and now >= course.deadline:
            self._end_early(stopped=False)
        if course.kill_at is not None:
            self._press(course, now)

    def _press(self, course: Course, now: float) -> None:
        """End Ansible, which may not have been there when the end was asked for."""
        course.told |= processes.send(signal.SIGTERM, processes.children() - course.told)
        if now >= (course.kill_at or now):
            course.kill_at = now + 1.0
            processes.kill_all()

    def _end_early(self, *, stopped: bool) -> None:
        course = self._course
        if course.ending:
            return
        course.stopped, course.timed_out = stopped, not stopped
        course.asked_at = time.monotonic()
        course.kill_at = course.asked_at + min(TERM_WAIT, self._slice.input.grace / 4)
        self._report.cut_off = time.time()

    def _finish(self) -> int:
        course, hosts = self._course, self._report.hosts
        self._report.judged(Word.read(self._paths.outcomes))
        self._wait_for_uploads()
        rc = 254 if course.rc is None else course.rc
        status = summary.status_of(
            hosts=hosts, rc=rc, stopped=course.stopped, timed_out=course.timed_out
        )
        message = summary.message_of(
            status, hosts, error=self._report.error, timeout=self._slice.input.timeout
        )
        self._emitter.end(self._report.summary(status, rc, message))
        return exit_code(status, hosts)

    def _uploaded(self, message: Uploaded) -> None:
        self._overflow.gone(message.stored, kept=message.kept)
        if message.kept:
            self._emitter.always(Kind.PART, message.stored.part.data())

    def _wait_for_uploads(self) -> None:
        """Give what waits to be uploaded some time."""
        self._overflow.close()
        self._uploader.hurry()
        grace = self._slice.input.grace
        patience = Patience(time.monotonic(), self._course.for_uploads(grace))
        while self._overflow.waiting and (left := patience.left(time.monotonic())) > 0:
            due = self._course.next_beat - time.monotonic()
            with suppress(Empty):
                match self._messages.get(timeout=max(0.0, min(left, due))):
                    case Uploaded(kept=kept) as message:
                        self._uploaded(message)
                        patience.progress(time.monotonic(), kept=kept)
                    case Stop():
                        patience.shorten(time.monotonic(), grace / 3)
            self._keep_time()

    def fail(self, error: Exception) -> int:
        """End everything after a failure of our own, report it, and give the exit code."""
        processes.kill_all()
        self._report.judged(None)
        message = f"the runner failed ({type(error).__name__}); its error output says where"
        self._emitter.end(self._report.summary(RunStatus.CRASHED, 254, message))
        return EXIT_CODES[RunStatus.CRASHED]


def exit_code(status: RunStatus, hosts: summary.Hosts) -> int:
    """The runner's exit code for a way to end."""
    if status is not RunStatus.DONE:
        return EXIT_CODES[status]
    return 0 if hosts.well else 1


def _secrets(paths: Paths, slice_: Slice) -> list[str]:
    files = (paths.ssh_key, paths.private_key, paths.become_password, paths.vault_password)
    return [
        *redact.named(slice_.variables, slice_.input.secret_names),
        *slice_.secrets,
        *(f.read_text(encoding="utf-8", errors="replace") for f in files if f.exists()),
    ]


def refuse(out: Out, refused: Refused) -> int:
    """Report input that can't be run, and give the exit code."""
    emitter = Emitter(out, secrets.token_hex(16), time.time)
    emitter.always(Kind.START, {"hosts": 0, "slice": 0, "versions": {}})
    report = Report(summary.Hosts(()), emitter, Redactor(()))
    emitter.end(report.summary(refused.status, 0, str(refused)))
    return EXIT_CODES[refused.status]


def main(paths: Paths, index: int, out: Out) -> int:
    """Run slice `index`; gives the exit code."""
    processes.protect()
    os.umask(0o077)
    try:
        slice_ = inputs.read(paths, index)
    except Refused as refused:
        return refuse(out, refused)
    run = Run(paths, slice_, out)
    signal.signal(signal.SIGTERM, lambda *_: run.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # see __main__
    threading.excepthook = lambda failed: _tell(failed.exc_value)
    try:
        return run.carry_out()
    except Exception as error:  # whatever it is, the run needs its end
        _tell(error)
        return run.fail(error)


def _tell(error: BaseException | None) -> None:
    """Say where we failed; not in the exception's words, which may quote a secret."""
    if error is not None:
        where = "".join(traceback.format_tb(error.__traceback__))
        print(f"runner: {type(error).__name__} at\n{where}", file=sys.stderr)  # noqa: T201
