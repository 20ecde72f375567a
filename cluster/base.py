"""Base images: small Debians, each made by debootstrap once into the cache."""

import hashlib
import shutil
import tarfile
from pathlib import Path

from cluster.locks import locked
from cluster.programs import run
from cluster.progress import step
from cluster.settings import SOURCES

WITH_PYTHON = ("ca-certificates", "openssh-client", "python3", "python3-venv")

SUITES = {
    # Debian 13: Python 3.13, for which the newest ansible-core exists.
    "trixie": WITH_PYTHON,
    # Debian 12: Python 3.11, of those that ansible-core 2.16 runs on (3.10 to 3.12).
    "bookworm": WITH_PYTHON,
    # Debian 11, the last one with Python 2.7: for machines to manage, without another Python.
    "bullseye": ("ca-certificates",),
}
"""The Debian releases that a base is made of, and the packages in it."""

DEFAULT_SUITE = "trixie"

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


def recipe(suite: str) -> str:
    """Names the content: it changes when anything of the recipe does."""
    dockerfile = (SOURCES / "images/base/Dockerfile").read_text()
    parts = (suite, *SUITES[suite], LEAN, *DROPPED, dockerfile)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def tag(suite: str) -> str:
    return f"localhost/octans-base:{suite}-{recipe(suite)}"


def context(cache: Path, suite: str) -> Path:
    """A folder with the base's Dockerfile and its `rootfs.tar`, complete or made now."""
    folder = cache / "base" / f"{suite}-{recipe(suite)}"
    if folder.is_dir():
        return folder
    with locked(cache / "base.lock", "another program that makes the base image"):
        if not folder.is_dir():
            _make(folder, suite, cache / "logs" / "debootstrap.log")
    return folder


def _make(folder: Path, suite: str, log: Path) -> None:
    rootfs = folder.parent / "unfinished-rootfs"
    unfinished = folder.parent / "unfinished-context"
    for left in (rootfs, unfinished):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir(parents=True)
    with step(f"making Debian {suite} for the base image (1 to 2 minutes the first time)"):
        log.unlink(missing_ok=True)
        run(
            # Own namespaces: what it mounts and starts goes with it, however it ends.
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "debootstrap", "--variant=minbase", f"--include={','.join(SUITES[suite])}", suite,
             rootfs],
            what=f"debootstrap of {suite}", log=log,
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
