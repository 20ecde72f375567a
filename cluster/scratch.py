"""Images that hold one static program and nothing else, written without any image tool."""

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Binaries

NOBODY = "65532:65532"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ScratchImage:
    """A program in the cache and the image that is made of it."""

    program: Path

    @property
    def name(self) -> str:
        """Named by the program's key in the cache: other content, other name."""
        repository, _, tag = self.program.parent.name.partition("-")
        return f"localhost/{repository}:{tag}"

    def archive(self, cache: Path) -> Path:
        """The image as an OCI archive in the cache, made when it is not there."""
        path = cache / "images" / f"{self.program.parent.name}.tar"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"unfinished-{os.getpid()}-{path.name}")
            self._write(unfinished)
            unfinished.rename(path)
        return path

    def _write(self, path: Path) -> None:
        layer = self._layer()
        diff = _digest(layer)
        platform = {
            "os": "linux",
            "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        }
        config = _json(
            {
                **platform,
                "config": {"Entrypoint": [f"/{self.program.name}"], "User": NOBODY},
                "rootfs": {"type": "layers", "diff_ids": [diff]},
            }
        )
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("config.v1+json", config),
                "layers": [_descriptor("layer.v1.tar", layer)],
            }
        )
        named = {
            **_descriptor("manifest.v1+json", manifest),
            "platform": platform,
            "annotations": {"io.containerd.image.name": self.name},
        }
        with tarfile.open(path, "w") as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
            for blob in (config, manifest, layer):
                _add(archive, f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}", blob)

    def _layer(self) -> bytes:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as layer:
            _add(layer, self.program.name, self.program.read_bytes(), mode=0o755)
        return content.getvalue()


def pause(binaries: Binaries) -> ScratchImage:
    """What holds a pod's namespaces open."""
    return ScratchImage(binaries.pause)


def coredns(binaries: Binaries) -> ScratchImage:
    return ScratchImage(binaries.coredns)


def _descriptor(kind: str, blob: bytes) -> dict[str, object]:
    media = f"application/vnd.oci.image.{kind}"
    return {"mediaType": media, "digest": _digest(blob), "size": len(blob)}


def _add(archive: tarfile.TarFile, name: str, blob: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(blob)
    member.mode = mode
    archive.addfile(member, io.BytesIO(blob))


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
