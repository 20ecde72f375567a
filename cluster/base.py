"""The base image: a small Debian with Python, made by debootstrap once into the cache."""

import hashlib
import shutil
import tarfile
from pathlib import Path

from cluster.locks import locked
from cluster.programs import run
from cluster.progress import step
from cluster.settings import SOURCES

SUITE = "trixie"
"""Debian 13: Python 3.13, for which the newest ansible-core exists."""

PACKAGES = ("ca-certificates", "openssh-client", "python3", "python3-venv")

LEAN = """# Packages installed later leave out the same files.
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""
LEAN_FILE = "etc/dpkg/dpkg.cfg.d/lean"

DROPPED = (
    "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/lintian", "var/cache/apt",
    "var/cache/debconf", "var/lib/apt/lists", "var/log", "tmp",
)  # fmt: skip
"""Folders that are emptied: most of a fresh system's size, and none of its use."""


def recipe() -> str:
    """Names the content: it changes when anything of the recipe does."""
    parts = (SUITE, *PACKAGES, LEAN, *DROPPED, (SOURCES / "images/base/Dockerfile").read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def tag() -> str:
    return f"localhost/octans-base:{SUITE}-{recipe()}"


def context(cache: Path) -> Path:
    """A folder with the base's Dockerfile and its `rootfs.tar`, complete or made now."""
    folder = cache / "base" / f"{SUITE}-{recipe()}"
    if folder.is_dir():
        return folder
    with locked(cache / "base.lock", "another program that makes the base image"):
        if not folder.is_dir():
            _make(folder, cache / "logs" / "debootstrap.log")
    return folder


def _make(folder: Path, log: Path) -> None:
    rootfs = folder.parent / "unfinished-rootfs"
    unfinished = folder.parent / "unfinished-context"
    for left in (rootfs, unfinished):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir(parents=True)
    with step(f"making Debian {SUITE} for the base image (1 to 2 minutes the first time)"):
        log.unlink(missing_ok=True)
        run(
            # Own namespaces: what it mounts and starts goes with it, however it ends.
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, rootfs],
            what=f"debootstrap of {SUITE}", log=log,
        )  # fmt: skip
        _make_lean(rootfs)
        with tarfile.open(unfinished / "rootfs.tar", "w") as archive:
            archive.add(rootfs, arcname=".")
        shutil.copy(SOURCES / "images/base/Dockerfile", unfinished)
        unfinished.rename(folder)
        shutil.rmtree(rootfs)


def _make_lean(rootfs: Path) -> None:
    (rootfs / LEAN_FILE).write_text(LEAN)
    for name in DROPPED:
        for path in (rootfs / name).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in (rootfs / "usr/share/doc").glob("*/*"):
        if path.name != "copyright":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
