"""An SSH server's program, also where none is installed: unpacked from Debian's packages.

Installing the package would start a service on the machine and keep it. So it is only unpacked, and
laid over /usr for the server alone, in a mount namespace of its own.
"""

import os
import subprocess
import tempfile
from pathlib import Path

PROGRAM = Path("/usr/sbin/sshd")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
OVERLAY = """
    mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr
    mount --bind "$0/passwd" /etc/passwd
    mount -t tmpfs tmpfs /run
    mkdir /run/sshd
    exec "$@"
"""


def command() -> list[str | Path]:
    """The words that start sshd; its options follow."""
    if PROGRAM.exists():
        Path("/run/sshd").mkdir(exist_ok=True)
        return [PROGRAM]
    return ["unshare", "--mount", "sh", "-euc", OVERLAY, _unpacked(), PROGRAM]


def _unpacked() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "octans"
    folder = cache / "sshd"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        unfinished = Path(scratch) / "sshd"
        unfinished.mkdir()
        _download(Path(scratch))
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, unfinished], check=True)
        # The unprivileged half of sshd needs its user.
        users = Path("/etc/passwd").read_text() + "sshd:x:65533:65534::/run/sshd:/bin/false\n"
        (unfinished / "passwd").write_text(users)
        unfinished.rename(folder)
    return folder


def _download(folder: Path) -> None:
    """Fetch the server's package and those that it needs and this machine lacks."""
    (folder / "partial").mkdir()
    subprocess.run([*APT, "update", "--quiet"], check=True)
    subprocess.run(
        [*APT, "install", "--quiet", "--yes", "--download-only", "--no-install-recommends",
         "-o", f"Dir::Cache::archives={folder}", "openssh-server"],
        check=True,
    )  # fmt: skip
