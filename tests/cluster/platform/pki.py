"""Tokens signed with the key of a cluster that was made for the tests."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def signing_key(environ: Mapping[str, str]) -> Path:
    """Where the key is, if the cluster is of our own making (cluster/pki.py)."""
    return Path(environ.get("OCTANS_TEST_KUBECONFIG", "")).parent / "pki" / "service-account.key"


def token(account: dict[str, Any], audience: str, seconds: int, key: Path) -> str:
    """A token of a service account that is good for so long from now; negative: it was."""
    meta, now = account["metadata"], int(time.time())
    claims = {
        "iss": "https://kubernetes.default.svc",
        "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        "aud": [audience],
        "iat": now - 3600, "nbf": now - 3600, "exp": now + seconds,
        "kubernetes.io": {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        },
    }  # fmt: skip
    signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "ES256"}, claims))
    private = load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    # RFC 7518 wants the two numbers as they are, not in DER.
    numbers = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{_part(b''.join(number.to_bytes(32, 'big') for number in numbers))}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
