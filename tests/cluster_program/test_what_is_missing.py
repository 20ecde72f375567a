"""Where no cluster can be made, one sentence says why, and what to do instead."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster import settings
from tests.cluster_program.program import needs_own_cluster, program

pytestmark = needs_own_cluster

HIDE = 'for file in $HIDDEN; do mount --bind /dev/null "$file"; done; exec "$@"'


def hidden(*programs: str) -> tuple[str, ...]:
    """Runs a command where these programs are no programs."""
    files = [str(Path(found).resolve()) for name in programs if (found := shutil.which(name))]
    return ("env", f"HIDDEN={' '.join(files)}", "unshare", "--mount", "sh", "-c", HIDE, "sh")


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "make up CLUSTER=existing" in lines[0]
    assert lines[0].endswith(settings.ELSEWHERE + ".")
    return lines[0]


@pytest.mark.parametrize("what", ["up", "base"])
def test_root(what: str) -> None:
    done = program(what, before=["unshare", "--user"])
    assert sentence(done).startswith("octans: Only root can make a cluster here")


def test_go(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    done = program("up", env=env, before=hidden("go"))
    assert sentence(done).startswith(
        "octans: Go, which builds pause, containerd, coredns, helm, kubernetes, is missing"
    )


def test_go_is_not_missed_once_everything_is_built() -> None:
    assert program("base", before=hidden("go")).returncode == 0


def test_debian() -> None:
    done = program("up", before=hidden("nft", "runc", "apt-get"))
    assert sentence(done).startswith(
        "octans: This system is not Debian or one made from it, and lacks what Debian calls"
        " nftables, runc"
    )


def test_the_right_to_make_namespaces() -> None:
    few = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = program("up", before=few)
    assert sentence(done).startswith("octans: This root may not make namespaces")


def test_a_name_that_is_none() -> None:
    done = program("up", "--name", "../other")
    assert done.returncode == 1
    assert done.stderr.startswith("octans: “../other” cannot be a cluster's name")


def test_no_such_cluster() -> None:
    name = f"t-{os.getpid()}-none"
    for what in ("kubeconfig", "status", "logs", "node add x", "node kill x", "node remove x"):
        done = program(*what.split(), "--name", name)
        assert done.returncode == 1
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1
