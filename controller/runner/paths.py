"""Where everything stands in the pod."""

from dataclasses import dataclass
from pathlib import Path

from crds import runinput


@dataclass(frozen=True, slots=True)
class Paths:
    """What the controller mounts, and the runner's own folder; `root` is `/` but in tests."""

    root: Path = Path("/")

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    @property
    def input(self) -> Path:
        """The RunInput as JSON."""
        return self._at(runinput.INPUT_FILE)

    @property
    def variables(self) -> Path:
        """One folder for each Secret of `varsFrom`."""
        return self._at(runinput.VARS_DIR)

    @property
    def ssh_key(self) -> Path:
        """The private key for all hosts as it stands in its Secret; may be missing."""
        return self._at(runinput.SSH_KEY_FILE)

    @property
    def private_key(self) -> Path:
        """The same key as ssh takes it (controller/runner/private_key.py)."""
        return self.home / "ssh-privatekey"

    @property
    def known_hosts(self) -> Path:
        """OpenSSH's known_hosts; may be missing where host keys are off."""
        return self._at(runinput.KNOWN_HOSTS_FILE)

    @property
    def become_password(self) -> Path:
        """The sudo password; may be missing."""
        return self._at(runinput.BECOME_PASSWORD_FILE)

    @property
    def vault_password(self) -> Path:
        """The Ansible vault password; may be missing."""
        return self._at(runinput.VAULT_PASSWORD_FILE)

    @property
    def project(self) -> Path:
        """Roles, files and templates that the work may use; may be missing."""
        return self._at(runinput.PROJECT_DIR)

    @property
    def termination(self) -> Path:
        """What is in this file when the container ends is its termination message."""
        return self._at(runinput.TERMINATION_FILE)

    @property
    def home(self) -> Path:
        """Home of the runner's user: private, writable, empty at the start."""
        return self._at(runinput.HOME_DIR)

    @property
    def run(self) -> Path:
        """ansible-runner's private data directory."""
        return self.home / "run"

    @property
    def play(self) -> Path:
        """The folder that Ansible sees as the playbook's."""
        return self.run / "project"

    @property
    def outcomes(self) -> Path:
        """The judge's word on how every host ended."""
        return self.run / "octans-outcomes.json"

    @property
    def keys(self) -> Path:
        """Keys of single hosts."""
        return self.home / "keys"

    @property
    def overflow(self) -> Path:
        """Parts of the overflow that are not uploaded yet."""
        return self.home / "overflow"

    @property
    def control(self) -> Path:
        """Sockets of shared SSH connections; with a socket's name at most 90 characters."""
        return self.home / "cp"
