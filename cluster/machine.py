"""What this machine lacks, said in one sentence, and installed where Debian has it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cluster.binaries import Binaries, go_path
from cluster.box import NAMESPACES
from cluster.locks import locked
from cluster.problems import Problem
from cluster.programs import run
from cluster.progress import step
from cluster.settings import CNI_PROGRAMS, ELSEWHERE

PACKAGES = {
    "runc": "runc",
    "buildah": "buildah",
    "skopeo": "skopeo",
    "debootstrap": "debootstrap",
    f"{CNI_PROGRAMS}/bridge": "containernetworking-plugins",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
"""A program or file that must be there, and the Debian package it comes from."""

APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
"""Waits for another program that installs something."""

MODULES: dict[str, Callable[[], bool]] = {
    "overlay": lambda: "overlay" in Path("/proc/filesystems").read_text().split(),
    "br_netfilter": lambda: Path("/proc/sys/net/bridge").exists(),
}
"""What a kernel may have as a module that nothing loads by itself, and the sign of its presence."""

OLDEST_GO = (1, 21)
"""From here on Go fetches the newer toolchain that a module asks for by itself."""


def prepare(cache: Path) -> None:
    """Makes the machine able to build and to run a cluster, or says what is missing."""
    require_root()
    _require_go(Binaries(cache / "bin"))
    if _missing_packages():
        # The demo makes cluster and images side by side; apt-get refuses to run twice.
        with locked(cache / "packages.lock", "another program that installs Debian packages"):
            if missing := _missing_packages():
                _install(missing, cache / "logs" / "packages.log")
    _require_kernel()


def require_root() -> None:
    if not sys.platform.startswith("linux"):
        raise Problem(f"A cluster can only be made on Linux, not on {sys.platform}; {ELSEWHERE}.")
    if os.geteuid() != 0:
        raise Problem(f"Only root can make a cluster here (try sudo -E); {ELSEWHERE}.")


def _require_go(binaries: Binaries) -> None:
    names = ", ".join(module.name for module in binaries.lacks())
    if not names:
        return
    go = shutil.which("go", path=go_path())
    if go is None:
        raise Problem(
            f"Go, which builds {names}, is missing: install it from https://go.dev/dl; {ELSEWHERE}."
        )
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version = re.match(r"go(\d+)\.(\d+)", done.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_GO:
        raise Problem(
            f"Go {done.stdout.strip() or 'here'} is too old to build {names}: install"
            f" {'.'.join(map(str, OLDEST_GO))} or newer from https://go.dev/dl; {ELSEWHERE}."
        )


def _missing_packages() -> list[str]:
    return sorted(package for needed, package in PACKAGES.items() if not _is_there(needed))


def _is_there(needed: str) -> bool:
    if needed.startswith("/"):
        return Path(needed).exists()
    return shutil.which(needed) is not None


def _install(packages: list[str], log: Path) -> None:
    if shutil.which("apt-get") is None:
        raise Problem(
            f"This system is not Debian or one made from it, and lacks what Debian calls"
            f" {', '.join(packages)}; {ELSEWHERE}."
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(packages)}"):
        log.unlink(missing_ok=True)
        for command in (
            # What a power cut may have left half-way.
            ["dpkg", "--configure", "--pending"],
            [*APT, "update"],
            [*APT, "install", "--yes", "--no-install-recommends", *packages],
        ):
            run(command, what=" ".join(command[:2]), log=log, env=quiet, alone=True)


def _require_kernel() -> None:
    command = ["unshare", *NAMESPACES, "true"]
    probe = subprocess.run(command, capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Problem(
            f"This root may not make namespaces ({reason}), as in a container without"
            f" --privileged; {ELSEWHERE}."
        )
    for module, sign in MODULES.items():
        if not sign() and shutil.which("modprobe"):
            subprocess.run(["modprobe", module], capture_output=True, check=False)
        if not sign():
            raise Problem(f"This machine's kernel has no {module}; {ELSEWHERE}.")
