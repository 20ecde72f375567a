"""Secrets that are there, but wrong: what is said of each before Ansible starts."""

import base64
import subprocess
from pathlib import Path

import pytest

from controller.runner import credentials, inputs, private_key
from controller.runner.inputs import RefusedSecret
from controller.runner.paths import Paths
from crds.records import RunStatus
from crds.runinput import RunInput

FORMATS = {
    "OpenSSH": ("-t", "ed25519"),
    "PEM of RSA": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    "PEM of EC": ("-t", "ecdsa", "-m", "PEM"),
    "PKCS8": ("-t", "ecdsa", "-m", "PKCS8"),
}


def made(folder: Path, row: str, passphrase: str = "") -> str:
    """A new private key in a format; its public half is beside it."""
    command = ["ssh-keygen", "-q", *FORMATS[row], "-N", passphrase, "-f", str(folder / "id")]
    subprocess.run(command, check=True)
    return (folder / "id").read_text()


@pytest.mark.parametrize("row", FORMATS)
def test_a_whole_key_however_it_was_pasted(tmp_path: Path, row: str) -> None:
    key = made(tmp_path, row)
    for pasted in (
        key, key.rstrip("\n"), key.replace("\n", "\r\n"), f"\ufeff\n{key}\n\n",
        key.replace("\n", "\r\n").rstrip(),
    ):  # fmt: skip
        assert private_key.checked(pasted) == key


@pytest.mark.parametrize("row", FORMATS)
def test_a_key_with_a_passphrase(tmp_path: Path, row: str) -> None:
    key = made(tmp_path, row, "five letters")
    for pasted in (key, key.replace("\n", "\r\n").rstrip()):
        with pytest.raises(private_key.BadKey, match="holds a private key with a passphrase"):
            private_key.checked(pasted)


def test_what_is_no_key(tmp_path: Path) -> None:
    key = made(tmp_path, "OpenSSH")
    lines = key.splitlines()
    for text, expected in {
        "": "is empty",
        " \r\n": "is empty",
        "planted words": "holds no private key",
        (tmp_path / "id.pub").read_text(): "holds a public key",
        "-----BEGIN PUBLIC KEY-----\nplanted": "holds a public key",
        "PuTTY-User-Key-File-3: planted": "in PuTTY's format",
        "\n".join(lines[:3]): "OpenSSH can't read",
        "\n".join([*lines[:2], *lines[3:]]): "OpenSSH can't read",
        "-----BEGIN CERTIFICATE-----\nplanted": "holds no private key",
    }.items():
        with pytest.raises(private_key.BadKey, match=expected) as raised:
            private_key.checked(text)
        assert "planted" not in str(raised.value)


def test_a_key_is_stored_for_its_user_alone(tmp_path: Path) -> None:
    private_key.store(tmp_path / "new" / "id", "key\n")
    assert (tmp_path / "new" / "id").stat().st_mode & 0o777 == 0o600


def _line(kind: str) -> str:
    return f"{kind} " + base64.b64encode(b"\0\0\0\x0b" + kind.encode() + b"rest").decode()


KNOWN = _line("ssh-ed25519")
PASSWORD = "the key password of the Secret octans-s "
HOSTS = "the key known_hosts of the Secret octans-s "

WRONG: dict[str, tuple[str, dict[str, bytes], str]] = {
    # field of RunInput, what the Secret holds, what is said
    "another key": (
        "ssh_key_secret", {"id_ed25519": b"planted", "a.pub": b"planted"},
        "the Secret octans-s has no key ssh-privatekey; it has a.pub, id_ed25519",
    ),
    "nothing at all": (
        "ssh_key_secret", {}, "the Secret octans-s has no key ssh-privatekey; it is empty",
    ),
    "many other keys": (
        "become_password_secret", {f"k{n:02}": b"" for n in range(12)},
        "has no key password; it has k00, .*, k09 and 2 more",
    ),
    "no key": (
        "ssh_key_secret", {"ssh-privatekey": b"planted"},
        "the key ssh-privatekey of the Secret octans-s holds no private key",
    ),
    "no text": (
        "ssh_key_secret", {"ssh-privatekey": b"\xff"},
        "the key ssh-privatekey of the Secret octans-s is not UTF-8 text",
    ),
    "hosts": ("known_hosts_secret", {"hosts": b"planted"}, "has no key known_hosts; it has hosts"),
    "no host": ("known_hosts_secret", {"known_hosts": b"\n"}, HOSTS + "is empty"),
    "no line": (
        "known_hosts_secret", {"known_hosts": b"# a ssh-ed25519 b\nplanted ssh-rsa words\n"},
        HOSTS + "has no line that names a host and its public key",
    ),
    "a public key": (
        "known_hosts_secret", {"known_hosts": KNOWN.encode() + b" planted"}, HOSTS + "has no line",
    ),
    "pass": ("become_password_secret", {"pass": b"planted"}, "no key password; it has pass"),
    "empty": ("become_password_secret", {"password": b"\n"}, PASSWORD + "is empty"),
    "vault": ("vault_password_secret", {"vault": b"planted"}, "no key password; it has vault"),
    "empty vault": ("vault_password_secret", {"password": b""}, PASSWORD + "is empty"),
    "variables": (
        "vars_from", {"vars.json": b"[1]"},
        "the key vars.json of the Secret octans-s must hold an object",
    ),
    "Ansible's own": (
        "vars_from", {"ansible_host": b"planted"},
        "the key ansible_host of the Secret octans-s: variable 'ansible_host' is Ansible's own",
    ),
}  # fmt: skip


def mounted(root: Path, field: str, values: dict[str, bytes]) -> Paths:
    """A pod with an input that names the Secret octans-s in a field, and that Secret."""
    paths = Paths(root)
    folder = {
        "ssh_key_secret": paths.ssh_key.parent, "known_hosts_secret": paths.known_hosts.parent,
        "become_password_secret": paths.become_password.parent,
        "vault_password_secret": paths.vault_password.parent, "vars_from": paths.variables / "0",
    }[field]  # fmt: skip
    # As the kubelet mounts one: links to a hidden folder.
    (folder / "..data").mkdir(parents=True)
    for name, value in values.items():
        (folder / "..data" / name).write_bytes(value)
        (folder / name).symlink_to(Path("..data") / name)
    secret = ("octans-s",) if field == "vars_from" else "octans-s"
    given = RunInput(task_name="t", slices=(("a",),), tasks=[], **{field: secret})  # type: ignore[arg-type]
    paths.input.parent.mkdir(parents=True)
    paths.input.write_text(given.dump())
    return paths


@pytest.mark.parametrize("row", WRONG)
def test_names_the_secret_and_its_key(tmp_path: Path, row: str) -> None:
    field, values, expected = WRONG[row]
    with pytest.raises(RefusedSecret, match=expected) as raised:
        inputs.read(mounted(tmp_path, field, values), 0)
    assert raised.value.status is RunStatus.SECRET_INVALID
    assert "planted" not in str(raised.value)


GOOD = {
    "last line without a line feed": KNOWN,
    "CRLF": f"{KNOWN}\r\n",
    "among others": f"# who\nnonsense\n{KNOWN} a comment\n",
    "hashed": f"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {KNOWN}",
    "an authority": f"@cert-authority *.example {KNOWN}",
}


@pytest.mark.parametrize("row", GOOD)
def test_lines_that_ssh_takes(tmp_path: Path, row: str) -> None:
    text = (
        GOOD[row] if row in {"hashed", "an authority"} else GOOD[row].replace("ssh-", "h ssh-", 1)
    )
    inputs.read(mounted(tmp_path, "known_hosts_secret", {"known_hosts": text.encode()}), 0)


def test_a_run_without_secrets_is_not_looked_at(tmp_path: Path) -> None:
    credentials.check(Paths(tmp_path), RunInput(task_name="t", slices=()))
