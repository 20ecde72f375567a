"""The few calls that this program makes to the API server."""

import base64
import contextlib
import json
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.problems import Problem
from cluster.settings import Cluster

FIELD_MANAGER = "octans-cluster"
NODES = "/api/v1/nodes"


class Unreachable(Exception):
    """No answer, or not yet one of use."""


class Missing(Unreachable):
    """The API server answers that there is no such object."""


@dataclass(frozen=True)
class Api:
    server: str
    trust: ssl.SSLContext

    def get(self, path: str, seconds: float = 5) -> dict[str, Any]:
        """The object that stands at a path."""
        found: dict[str, Any] = json.loads(self._call(self._request(path), seconds))
        return found

    def ready(self, seconds: float = 5) -> bool:
        return self._call(self._request("/readyz"), seconds) == "ok"

    def _request(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.server + path)

    def apply(self, path: str, thing: Mapping[str, object], seconds: float = 10) -> None:
        """Server-side apply: makes the object or changes it to this."""
        request = urllib.request.Request(
            f"{self.server}{path}?fieldManager={FIELD_MANAGER}&force=true",
            data=json.dumps(thing).encode(),
            method="PATCH",
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        self._call(request, seconds)

    def delete(self, path: str, seconds: float = 10) -> None:
        """The object at a path is gone, or was."""
        request = urllib.request.Request(self.server + path, method="DELETE")
        with contextlib.suppress(Missing):
            self._call(request, seconds)

    def _call(self, request: urllib.request.Request, seconds: float) -> str:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.trust)
        )
        try:
            with opener.open(request, timeout=seconds) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise (Missing if error.code == 404 else Unreachable)(str(error)) from None
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from None
        return text


def connect(cluster: Cluster) -> Api:
    """A client with the administrator's certificate, out of the cluster's kubeconfig."""
    try:
        config = json.loads(cluster.kubeconfig.read_text())
    except OSError:
        raise Problem(f"There is no cluster named “{cluster.name}”.") from None
    server = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=_pem(server["certificate-authority-data"]))
    with tempfile.NamedTemporaryFile("w") as file:  # ssl takes certificates from files only
        file.write(_pem(user["client-certificate-data"]) + _pem(user["client-key-data"]))
        file.flush()
        trust.load_cert_chain(file.name)
    return Api(server["server"], trust)


def _pem(data: str) -> str:
    return base64.b64decode(data).decode()
