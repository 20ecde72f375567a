"""Builds each program once into the cache, keyed by its version."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.locks import locked
from cluster.programs import run
from cluster.progress import step
from cluster.settings import SOURCES

KUBERNETES_PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "kubectl",
)  # fmt: skip
"""All of them are one binary, which acts by the name it is called by."""

GO_FOLDER = "/usr/local/go/bin"

VERSION_FLAGS = (
    "-X k8s.io/component-base/version.gitVersion={version}"
    " -X k8s.io/component-base/version.gitMajor={major}"
    " -X k8s.io/component-base/version.gitMinor={minor}"
)
"""Without them the API server calls itself v0.0.0-master."""


@dataclass(frozen=True)
class Module:
    """One Go module in `go/`: what it is pinned to and which programs it gives."""

    folder: str
    name: str
    pinned: str
    packages: tuple[str, ...]
    minutes: str
    flags: str = ""
    links: tuple[str, ...] = ()
    on_demand: bool = False
    """No cluster needs it: it is built where somebody asks for it by name."""

    @property
    def source(self) -> Path:
        return SOURCES / "go" / self.folder

    @property
    def version(self) -> str:
        """The version go.mod pins, or the module's own folder where it has no dependency."""
        text = (self.source / "go.mod").read_text()
        found = re.search(rf"^(?:require )?\s*{re.escape(self.pinned)} (v\S+)", text, re.MULTILINE)
        return found.group(1) if found else "v1"

    @property
    def key(self) -> str:
        """Changes with the version and with anything else that goes into the build."""
        digest = hashlib.sha256(self.linker_flags.encode())
        for file in sorted(path for path in self.source.iterdir() if path.is_file()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:8]}"

    @property
    def linker_flags(self) -> str:
        major, minor, *_ = [*self.version.lstrip("v").split("."), "0"]
        return f"-s -w {self.flags.format(version=self.version, major=major, minor=minor)}".strip()


CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
CONTAINERD = "github.com/containerd/containerd/v2"
MODULES = (
    Module("pause", "pause", "-", (".",), "seconds"),
    Module(
        "containerd", "containerd", CONTAINERD,
        tuple(f"{CONTAINERD}/cmd/{name}" for name in CONTAINERD_PROGRAMS),
        "about 1 minute the first time",
    ),
    Module(
        "coredns", "coredns", "github.com/coredns/coredns", ("github.com/coredns/coredns",),
        "about 2 minutes the first time",
    ),
    Module(
        "helm", "helm", "helm.sh/helm/v4", ("helm.sh/helm/v4/cmd/helm",),
        "about 2 minutes the first time",
    ),
    Module(
        "kube", "kubernetes", "k8s.io/kubernetes", (".",), "8 to 10 minutes the first time",
        VERSION_FLAGS, KUBERNETES_PROGRAMS,
    ),
    Module(
        "versitygw", "versitygw", "github.com/versity/versitygw",
        ("github.com/versity/versitygw/cmd/versitygw",), "about 1 minute the first time",
        on_demand=True,
    ),
)  # fmt: skip
NEEDED = tuple(module for module in MODULES if not module.on_demand)
"""What makes a cluster, and what is used on one."""


@dataclass(frozen=True)
class Binaries:
    """Where the built programs lie."""

    root: Path

    def folder(self, name: str) -> Path:
        return self.root / next(m.key for m in MODULES if m.name == name)

    def kubernetes(self, program: str) -> Path:
        return self.folder("kubernetes") / program

    def containerd(self, program: str) -> Path:
        return self.folder("containerd") / program

    @property
    def pause(self) -> Path:
        return self.folder("pause") / "pause"

    @property
    def coredns(self) -> Path:
        return self.folder("coredns") / "coredns"

    @property
    def helm(self) -> Path:
        return self.folder("helm") / "helm"

    def lacks(self, modules: Sequence[Module] = NEEDED) -> list[Module]:
        return [module for module in modules if not (self.root / module.key).is_dir()]


def build(cache: Path, modules: Sequence[Module] = NEEDED) -> Binaries:
    """The modules' programs, built where the cache lacks them; a folder there is always whole."""
    binaries = Binaries(cache / "bin")
    if not binaries.lacks(modules):
        return binaries
    with locked(cache / "bin.lock", "another program that builds the same binaries"):
        for module in binaries.lacks(modules):
            with step(f"building {module.name} {module.version} ({module.minutes})"):
                _build(module, binaries.folder(module.name), cache / "logs" / f"{module.name}.log")
    return binaries


def _build(module: Module, folder: Path, log: Path) -> None:
    unfinished = folder.with_name(f"unfinished-{module.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    log.unlink(missing_ok=True)
    # One package gets its program's name; several get a folder to go to.
    target = f"{unfinished}/" if len(module.packages) > 1 else str(unfinished / module.name)
    run(
        ["go", "build", "-trimpath", "-ldflags", module.linker_flags, "-o", target,
         *module.packages],
        what=f"Building {module.name} {module.version}", log=log, cwd=module.source,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "PATH": go_path()},
    )  # fmt: skip
    for link in module.links:
        (unfinished / link).symlink_to(module.name)
    unfinished.rename(folder)


def go_path() -> str:
    """PATH with the folder Go's own installer uses, which is often not in root's PATH."""
    return f"{os.environ.get('PATH', '')}:{GO_FOLDER}"
