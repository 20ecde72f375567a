"""The play through `POST /api/run`, its end as `/api/check` tells it."""

from typing import Any

import httpx

from bench.target import Target
from bench.work import TASKS, FailedError

SUCCESS = 2


class ThroughOctans:
    """Runs by way of the API."""

    def __init__(self, target: Target) -> None:
        headers = {"X-RESOURCE": "bench"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        self._http = httpx.AsyncClient(
            base_url=target.url, headers=headers, trust_env=False, timeout=30
        )
        self._ids: dict[str, int] = {}
        self.asked_again = 0
        """How often check answered 503, which asks callers to come again."""

    async def start(self, name: str, host: str) -> None:
        """Ask for it; the id is kept."""
        body = {"name": name, "nodes": [host], "tasks": TASKS, "gather_facts": False}
        answer = await self._http.post("/api/run", json=body)
        self._ids[name] = int(_content("run", answer)["id"])

    async def done(self, name: str) -> bool:
        """Whether check says 2."""
        answer = await self._http.post("/api/check", json={"id": self._ids[name]})
        if answer.status_code == 503:
            self.asked_again += 1
            return False
        seen = _content("check", answer)
        if seen["status"] in (0, 1):
            return False
        if seen["status"] != SUCCESS:
            raise FailedError(f"status {seen['status']}: {seen['reason']}: {seen['err']}")
        return True

    def id_of(self, name: str) -> int:
        """The id that the API gave a run."""
        return self._ids[name]

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _content(call: str, answer: httpx.Response) -> dict[str, Any]:
    data = answer.json()
    if answer.status_code != 200 or data["code"] != 0:
        raise FailedError(f"{call}: {answer.status_code} {data.get('message')}")
    content: dict[str, Any] = data["content"]
    return content
