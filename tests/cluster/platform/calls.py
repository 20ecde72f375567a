"""The five calls over HTTP, in the documented dialect."""

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from tests.cluster.platform.waiting import wait_for

Work = list[dict[str, Any]]

INIT, RUNNING, SUCCESS, FAILED, STOPPED, PARTLY = range(6)


def unique(word: str) -> str:
    """A name that no other test uses, and a DNS label where `word` is one."""
    return f"{word}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of getlog, taken apart."""

    global_id: str
    source: str
    create_time: str
    end_time: str
    host: str
    result: str
    message: str


_LINE = re.compile(
    r"global_id = (\S*), source = (.*?), create_time = (\S*), end_time = (\S*), host = (\S+),"
    r" reuslt = (\w*)((?:\n\tmessage: .*?\n\t)*)",
    re.DOTALL,
)


def line(text: str) -> Line:
    """The parts of one line; AssertionError where it is none."""
    found = _LINE.fullmatch(text)
    assert found is not None, f"not a line as API.md prints it: {text!r}"
    return Line(*found.groups())


class Octans:
    """A running API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(
        self, call: str, body: object, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One call with a body of JSON data, the answer as it comes."""
        return await self.http.post(f"/api/{call}", json=body, headers=headers)

    async def content(
        self, call: str, body: object, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The content of a successful answer."""
        answer = await self.post(call, body, headers)
        assert answer.status_code == 200, f"{call}: {answer.status_code} {answer.text}"
        data = answer.json()
        assert data["code"] == 0, data
        content: dict[str, Any] = data["content"]
        return content

    async def run(
        self,
        name: str,
        nodes: list[str],
        tasks: Work,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> int:
        """The id of a new task; facts are not gathered unless asked for."""
        body = {"name": name, "nodes": nodes, "tasks": tasks, "gather_facts": False, **more}
        number = (await self.content("run", body, headers))["id"]
        assert isinstance(number, int), number
        return number

    async def check(self, task: int | str) -> dict[str, Any]:
        """What check says of an id or a name."""
        return await self.content("check", {"id" if isinstance(task, int) else "name": task})

    async def stop(self, task: int | str) -> None:
        """Ask for a task's end."""
        assert await self.content("stop", {"id" if isinstance(task, int) else "name": task}) == {}

    async def appears(self, name: str) -> None:
        """Wait until the task of a name is there."""
        await wait_for(
            f"task {name}",
            lambda: self.post("check", {"name": name}),
            lambda answer: answer.status_code == 200,
            seconds=10,
            every=0.05,
        )

    async def ended(self, task: int | str, *, seconds: float = 60) -> dict[str, Any]:
        """What check says once the task has ended."""
        return await self.reaches(task, {SUCCESS, FAILED, STOPPED, PARTLY}, seconds=seconds)

    async def reaches(
        self, task: int | str, statuses: set[int], *, seconds: float = 60
    ) -> dict[str, Any]:
        """What check says once the status is one of these."""
        return await wait_for(
            f"status {statuses} of task {task}",
            lambda: self.check(task),
            lambda seen: seen["status"] in statuses,
            seconds=seconds,
            every=0.1,
        )

    async def getlog(self, correlation: str, host: str = "", source: str = "") -> list[Line]:
        """The lines of a correlation id."""
        body = {"host": host or None, "source": source or None}
        answer = await self.post("getlog", body, {"X-CORRELATION-ID": correlation})
        assert answer.status_code == 200, f"getlog: {answer.status_code} {answer.text}"
        return [line(text) for text in answer.json()]


def log(checked: dict[str, Any]) -> list[dict[str, Any]]:
    """The results in a check answer's log, which is JSON text."""
    found: list[dict[str, Any]] = json.loads(checked["log"])
    return found
