"""What the runner does with a Secret that is there, but not as it should be."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crds import runinput
from crds.frames import Kind
from crds.records import RunStatus
from tests.cluster.runner.ground import Ground

WHOLE: dict[str, Callable[[str], str]] = {
    "without its last line feed": lambda key: key.rstrip("\n"),
    "with CRLF": lambda key: key.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("row", WHOLE)
def test_a_whole_key_logs_in_and_stays_secret(ground: Ground, row: str) -> None:
    mount = ground.path(runinput.SSH_KEY_FILE)
    mount.write_text(WHOLE[row](mount.read_text()), newline="")
    known = ground.path(runinput.KNOWN_HOSTS_FILE)
    known.write_text(WHOLE[row](known.read_text()), newline="")
    used = ground.path(f"{runinput.HOME_DIR}/ssh-privatekey")
    show = {"delegate_to": "localhost", "connection": "local", "raw": f"cat {used} {mount}"}
    ran = ground.run(tasks=[{"raw": "echo hello"}, show])
    assert (ran.rc, ran.results[0].stdout) == (0, "hello\r\n")
    assert used.stat().st_mode & 0o777 == 0o600
    everything = b"\n".join(ran.lines)
    for line in mount.read_text().splitlines():
        assert line.encode() not in everything


@pytest.mark.parametrize("passphrase", [True, False])
def test_no_machine_is_tried(ground: Ground, tmp_path: Path, passphrase: bool) -> None:
    """A key with a passphrase, and a Secret without the key."""
    mount = ground.path(runinput.SSH_KEY_FILE)
    if passphrase:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "planted", "-f", str(tmp_path / "id")]
        subprocess.run(command, check=True)
        mount.write_text((tmp_path / "id").read_text())
    else:
        mount.rename(mount.with_name("id_ed25519"))
    ran = ground.run()
    assert (ran.rc, ran.end.status) == (7, RunStatus.SECRET_INVALID)
    expected = "holds a private key with a passphrase" if passphrase else "it has id_ed25519"
    assert expected in ran.end.message
    assert "octans-ssh_key_secret" in ran.end.message
    assert {record.kind for record in ran.records} == {Kind.START, Kind.END}
