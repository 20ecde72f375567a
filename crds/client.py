"""A thin client over `kubernetes.aio`: objects as JSON data in and out, errors as ours.

Credentials, TLS and connections are the library's; its generated classes are left out because
building them from every answer costs more than the call.
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration

from crds import errors, names

Object = dict[str, Any]
"""A Kubernetes object as JSON data."""

CALL_TIMEOUT: Final = 15.0
"""Seconds that one call may take in all."""
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Kind:
    """Where objects of a kind are served."""

    prefix: str
    plural: str

    @property
    def group(self) -> str:
        """Its API group; empty: the core one."""
        return self.prefix.split("/")[-2] if self.prefix.startswith("/apis/") else ""

    @property
    def version(self) -> str:
        """Its version within the group."""
        return self.prefix.rpartition("/")[2]


TASKS: Final = Kind(f"/apis/{names.GROUP}/{names.VERSION}", names.PLURAL)
JOBS: Final = Kind("/apis/batch/v1", "jobs")
PODS: Final = Kind("/api/v1", "pods")
SECRETS: Final = Kind("/api/v1", "secrets")
CONFIG_MAPS: Final = Kind("/api/v1", "configmaps")
EVENTS: Final = Kind("/api/v1", "events")
LEASES: Final = Kind("/apis/coordination.k8s.io/v1", "leases")


class Page(NamedTuple):
    """One page of a list."""

    items: list[Object]
    resource_version: str
    more: str
    """Token for the next page; empty at the end."""


class Client:
    """Calls to one Kubernetes API; raises errors.ClusterError only."""

    def __init__(self, api: ApiClient, may_write: Callable[[], bool] | None = None) -> None:
        self._api = api
        self._may_write = may_write

    @classmethod
    async def connect(cls, *, connections: int = 100, kubeconfig: Path | None = None) -> "Client":
        """With a kubeconfig's current context; none is given: with the pod's service account,
        else with KUBECONFIG's."""
        configuration = Configuration()
        if kubeconfig is not None:
            await kube_config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        else:
            await _find_credentials(configuration)
        configuration.connection_pool_maxsize = connections
        configuration.retries = None  # trying again is for callers, who know what is safe
        # NB: with trust_env aiohttp reads ~/.netrc, in a thread, and the proxies for every call:
        # a sixth of a request's time, for what does not change.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or _proxy_of(configuration.host)
        return cls(ApiClient(configuration))

    def fenced(self, may_write: Callable[[], bool]) -> "Client":
        """The same connections; while `may_write` says no, whatever would write raises NotLeading
        before anything is sent."""
        return Client(self._api, may_write)

    def fence(self, write: str) -> None:
        """NotLeading, which names the write, where this process may not write at the moment."""
        if self._may_write is not None and not self._may_write():
            raise errors.NotLeading(f"{write}: this process does not lead at the moment")

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str, *, cached: bool = False) -> Object:
        """One object; `cached` reads the API server's memory, which may be a moment old."""
        query = {"resourceVersion": "0"} if cached else {}
        return await self._json("GET", _path(kind, namespace, name), query)

    async def list(
        self,
        kind: Kind,
        namespace: str,
        *,
        labels: str = "",
        fields: str = "",
        cached: bool = False,
        limit: int = 0,
        more: str = "",
        metadata_only: bool = False,
    ) -> Page:
        """One page of objects; the whole list where `limit` is 0.

        `metadata_only` leaves spec and status out, which for thousands of tasks is most of it.
        """
        query = {
            "labelSelector": labels,
            "fieldSelector": fields,
            "limit": str(limit or ""),
            "continue": more,
            "resourceVersion": "0" if cached else "",
        }
        query = {key: value for key, value in query.items() if value}
        accept = _METADATA_LIST if metadata_only else "application/json"
        answer = await self._json("GET", _path(kind, namespace), query, accept=accept)
        head = answer.get("metadata", {})
        return Page(
            answer.get("items") or [], head.get("resourceVersion", ""), head.get("continue", "")
        )

    async def watch_metadata(
        self, kind: Kind, namespace: str, *, labels: str, since: str, seconds: int
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """ADDED, MODIFIED or DELETED and the metadata of each object that a label selector fits and
        that this happens to after the resource version `since`, for at most `seconds`.

        Ends early, without an error, where the stream is cut or `since` is too old.
        """
        query = {"watch": "true", "labelSelector": labels, "resourceVersion": since,
                 "timeoutSeconds": str(seconds)}  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=seconds + CALL_TIMEOUT, connect=10)
        path, rest = _path(kind, namespace), b""
        async with aclosing(self._stream(path, query, timeout, _METADATA)) as pieces:
            # NB: an event's metadata may be far longer than aiohttp's limit of a line.
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                try:
                    events = [json.loads(line) for line in lines if line]
                except (ValueError, RecursionError) as error:
                    raise errors.Unavailable(f"watch of {kind.plural}: no JSON") from error
                for event in events:
                    if event["type"] == "ERROR":
                        return
                    yield event["type"], event["object"]["metadata"]

    async def table(self, kind: Kind, namespace: str, *, labels: str = "") -> Sequence[Object]:
        """What `kubectl get` prints of objects, cells by column; a sixth of metadata's cost."""
        query = {"labelSelector": labels, "includeObject": "None"}
        answer = await self._json("GET", _path(kind, namespace), query, accept=_TABLE)
        columns = [column.get("name") for column in answer.get("columnDefinitions") or []]
        rows = answer.get("rows") or []
        return [dict(zip(columns, row.get("cells") or [], strict=False)) for row in rows]

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        """The object as stored."""
        return await self._json("POST", _path(kind, namespace), {}, body)

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Object | Sequence[Object],
        *,
        subresource: str = "",
    ) -> Object:
        """The object as it is then; a list is a JSON patch, an object a merge patch."""
        form = "merge-patch" if isinstance(patch, dict) else "json-patch"
        path = _path(kind, namespace, name, subresource)
        return await self._json("PATCH", path, {}, patch, f"application/{form}+json")

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
        grace: int | None = None,
    ) -> None:
        """Ask for deletion; `grace` in seconds. Conflict where a precondition fails."""
        conditions = {"uid": uid, "resourceVersion": resource_version}
        body: Object = {
            "propagationPolicy": propagation,
            "preconditions": {key: value for key, value in conditions.items() if value},
        }
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        await self._json("DELETE", _path(kind, namespace, name), {}, body)

    async def post(self, path: str, body: Object) -> Object:
        """Send an object to a path that is no collection, such as a token review."""
        return await self._json("POST", path, {}, body)

    async def read(self, path: str) -> Object:
        """The JSON at a path, such as `/readyz` in its verbose form or a discovery document."""
        return await self._json("GET", path, {})

    async def pod_log(self, namespace: str, pod: str, *, limit_bytes: int = 0) -> bytes:
        """What the log file of the pod's runner holds, from its start; at most `limit_bytes` if
        set."""
        query = {"container": names.CONTAINER}
        if limit_bytes:
            query["limitBytes"] = str(limit_bytes)
        response = await self._send("GET", _path(PODS, namespace, pod, "log"), query, timeout=60)
        try:
            return bytes(await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.Unavailable(f"log of pod {pod}: {type(error).__name__}") from error
        finally:
            response.close()

    async def follow_pod_log(
        self, namespace: str, pod: str, *, since_seconds: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """The log of the pod's runner as it grows, in pieces of any size, until the stream ends or
        is cut.

        Ends without an error where the container has ended *or* the stream was cut; only the
        frames tell which. `since_seconds` leaves older lines out (whole seconds only).
        """
        query = {"follow": "true", "container": names.CONTAINER}
        if since_seconds:
            query["sinceSeconds"] = str(since_seconds)
        # NB: Watch().stream(read_namespaced_pod_log) never ends, so the body is read here.
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)
        path = _path(PODS, namespace, pod, "log")
        async with aclosing(self._stream(path, query, timeout)) as pieces:
            async for piece in pieces:
                yield piece

    async def _stream(
        self,
        path: str,
        query: dict[str, str],
        limits: aiohttp.ClientTimeout,
        accept: str = "application/json",
    ) -> AsyncGenerator[bytes, None]:
        """A body in pieces of any size, as it comes."""
        response = await self._send("GET", path, query, accept=accept, timeout=limits)
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.Unavailable(f"stream of {path}: {type(error).__name__}") from error
        finally:
            response.close()

    async def _json(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | Sequence[Object] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        if method != "GET":
            self.fence(f"{method} {path}")
        response = await self._send(method, path, query, body, content_type, accept=accept)
        try:
            answer = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise errors.Unavailable(f"{method} {path}: {type(error).__name__}") from error
        if not isinstance(answer, dict):
            raise errors.Unavailable(f"{method} {path}: the answer is no object")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | Sequence[Object] | None = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
        timeout: float | aiohttp.ClientTimeout = CALL_TIMEOUT,  # noqa: ASYNC109 - the transport's own
    ) -> aiohttp.ClientResponse:
        """The answer of a successful call, its body still to be read."""
        headers = {"Accept": accept, "Content-Type": content_type}
        headers.update(self._api.default_headers)
        if not isinstance(timeout, aiohttp.ClientTimeout):
            timeout = aiohttp.ClientTimeout(total=timeout)
        url = self._api.configuration.host + path + ("?" + urlencode(query) if query else "")
        try:
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            answer = await self._api.call_api(
                method, url, header_params=headers, body=body, _request_timeout=timeout
            )
            response: aiohttp.ClientResponse = answer.response
            if response.status >= 400:
                raise await _refused(method, path, response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.Unavailable(f"{method} {path}: {type(error).__name__}") from error
        return response


async def _find_credentials(configuration: Configuration) -> None:
    try:
        kube_config.load_incluster_config(client_configuration=configuration)
    except kube_config.ConfigException:
        await kube_config.load_kube_config(client_configuration=configuration)


def _proxy_of(url: str) -> str | None:
    """The proxy that HTTPS_PROXY and NO_PROXY name for an address, if any."""
    host = urlsplit(url).hostname or ""
    return None if proxy_bypass(host) else getproxies().get(urlsplit(url).scheme)


async def _refused(method: str, path: str, response: aiohttp.ClientResponse) -> errors.ClusterError:
    text = await response.text(errors="replace")
    try:
        status = json.loads(text)
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", text
    try:
        retry_after = float(response.headers.get("Retry-After", "1"))
    except ValueError:
        retry_after = 1.0
    return errors.from_answer(
        response.status, reason, message or f"{method} {path}: {response.status}", retry_after
    )


def _path(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> str:
    parts = [kind.prefix, "namespaces", quote(namespace, safe=""), kind.plural]
    parts += [quote(part, safe="") for part in (name, subresource) if part]
    return "/".join(parts)
