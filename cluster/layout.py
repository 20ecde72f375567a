"""Local images as a folder in the OCI's layout: blobs by digest, an index by name.

A layer that several images share stands there once, and what a node lacks can be
told from what it has.
"""

import contextlib
import json
import shutil
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from cluster.problems import Problem
from cluster.programs import run

NAME = "org.opencontainers.image.ref.name"
"""Where skopeo notes an image's name; containerd looks for it elsewhere."""

CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Layout:
    root: Path

    def take(self, name: str, log: Path) -> None:
        """Takes an image out of buildah's store."""
        self._mend()
        run(
            # Uncompressed, a layer is known by the digest that buildah knows it by: one that
            # stands here is not written, and not even read, again.
            ["skopeo", "copy", "--dest-oci-accept-uncompressed-layers",
             f"containers-storage:{name}", f"oci:{self.root}:{name}"],
            what=f"Exporting {name}", log=log,
        )  # fmt: skip

    def prune(self, names: Collection[str]) -> None:
        """Removes every image but the named, and what only the others were made of."""
        known = [found for found in self._manifests() if found["annotations"][NAME] in names]
        unfinished = self.root / "unfinished-index.json"
        unfinished.write_text(json.dumps({"schemaVersion": 2, "manifests": known}))
        unfinished.rename(self.root / "index.json")
        kept = {self.blob(digest) for found in known for digest in self._blobs(found)}
        for path in (self.root / "blobs" / "sha256").iterdir():
            if path not in kept:
                path.unlink()

    def lacking(self, name: str, there: Collection[str]) -> list[str]:
        """The digests of all that the named image is made of and `there` lacks."""
        return [digest for digest in self._blobs(self._manifest(name)) if digest not in there]

    def size(self, digests: Iterable[str]) -> int:
        return sum(self.blob(digest).stat().st_size for digest in digests)

    def write(self, target: IO[bytes], name: str, digests: Iterable[str]) -> None:
        """The named image as an archive for containerd, with only these of its blobs."""
        named = {**self._manifest(name), "annotations": {CONTAINERD_NAME: name}}
        files = {
            "oci-layout": {"imageLayoutVersion": "1.0.0"},
            "index.json": {"schemaVersion": 2, "manifests": [named]},
        }
        with tarfile.open(fileobj=target, mode="w|", bufsize=1 << 20) as archive:
            for file, value in files.items():
                text = json.dumps(value).encode()
                member = tarfile.TarInfo(file)
                member.size = len(text)
                archive.addfile(member, BytesIO(text))
            for digest in digests:
                path = self.blob(digest)
                archive.add(path, arcname=f"blobs/sha256/{path.name}")

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def _manifests(self) -> list[dict[str, Any]]:
        index: dict[str, list[dict[str, Any]]] = json.loads((self.root / "index.json").read_text())
        return index["manifests"]

    def _manifest(self, name: str) -> dict[str, Any]:
        for found in self._manifests():
            if found["annotations"][NAME] == name:
                return found
        raise Problem(f"skopeo left no image {name} in {self.root}.")

    def _blobs(self, manifest: dict[str, Any]) -> list[str]:
        content = json.loads(self.blob(manifest["digest"]).read_text())
        parts = [manifest, content["config"], *content["layers"]]
        return list(dict.fromkeys(part["digest"] for part in parts))

    def _mend(self) -> None:
        """After a kill in the midst of a copy: no unfinished blobs, and no half-written index."""
        for left in self.root.glob("oci-put-blob*"):
            left.unlink()
        with contextlib.suppress(FileNotFoundError):
            try:
                for found in self._manifests():
                    self._blobs(found)
            except (ValueError, KeyError):
                shutil.rmtree(self.root)
