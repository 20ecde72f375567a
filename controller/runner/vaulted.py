"""Texts that ansible-vault encrypted, in work and variables that came as JSON.

YAML writes `!vault`, and kubectl drops such tags without a word: what is left is the cipher text,
which Ansible would write to the machines as it is. No text but a vault's begins like one, so it is
taken for what it was.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

VAULT: Final = "__ansible_vault"
UNSAFE: Final = "__ansible_unsafe"
"""The keys by which Ansible's JSON reader knows `!vault` and `!unsafe`."""
_HEADER: Final = "$ANSIBLE_VAULT;"
_CIPHER: Final = re.compile(r"\s*\$ANSIBLE_VAULT;[0-9.]+;AES256")
"""How a cipher text begins, in all formats that there are."""


def tagged(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value with every cipher text in the form that Ansible's JSON reader decrypts."""
    if isinstance(value, str):
        return {VAULT: value.strip()} if _CIPHER.match(value) else value
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict) and value.keys() not in ({VAULT}, {UNSAFE}):
        return {key: tagged(item) for key, item in value.items()}
    return value


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """The cipher texts in a tagged value."""
    if isinstance(value, dict):
        if value.keys() == {VAULT}:
            yield str(value[VAULT])
            return
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from texts(item)


def plain(value: Any, opened: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """A tagged value as data: cipher texts by what they hold, and no key of Ansible's."""
    if isinstance(value, list):
        return [plain(item, opened) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {VAULT}:
        return opened[str(value[VAULT])]
    if value.keys() == {UNSAFE}:
        return value[UNSAFE]
    return {key: plain(item, opened) for key, item in value.items()}


class Locked(ValueError):
    """A cipher text can't be decrypted; says so in one sentence, without secrets."""


def decrypt(ciphers: Iterable[str], password: str) -> dict[str, str]:
    """What each cipher text holds; Locked for one that the password does not open."""
    # Half a second, for those that need it.
    from ansible.errors import AnsibleError  # noqa: PLC0415
    from ansible.parsing.vault import VaultLib, VaultSecret  # noqa: PLC0415

    vault = VaultLib([("default", VaultSecret(password.strip().encode()))])
    found = {}
    for cipher in ciphers:
        try:
            found[cipher] = vault.decrypt(cipher).decode()
        except (AnsibleError, ValueError):
            raise Locked("text that ansible-vault encrypted can't be decrypted with it") from None
    return found


NO_PASSWORD: Final = (
    "the work or a variable holds text that ansible-vault encrypted, and no vaultPasswordSecret is"
    f' given; to write the cipher text itself, say {{"{UNSAFE}": "{_HEADER}..."}}'
)
"""Why such work is refused where nothing can decrypt it."""
