"""What ansible-vault encrypted, where the tag `!vault` is gone: in JSON, so in every manifest."""

from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from crds import runinput
from crds.frames import Kind
from crds.records import RunStatus
from tests.cluster.runner.ground import Ground

PASSWORD, PLANTED = "open sesame", "planted plain text"
CIPHER: str = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(PLANTED).decode()


def test_is_decrypted_wherever_it_stands_and_not_shown(ground: Ground) -> None:
    ground.path(runinput.VAULT_PASSWORD_FILE).write_text(f"{PASSWORD}\n")
    ground.put_variables(0, {"of_a_secret": CIPHER})
    values: dict[str, Any] = {
        "bare": CIPHER,
        "with space around": f"\n{CIPHER}\n",
        "tagged": {"__ansible_vault": CIPHER},
        "of vars": "{{ plain }}",
        "nested": "{{ deep.list[0] }}",
        "of a Secret": "{{ of_a_secret }}",
    }
    ran = ground.run(
        tasks=[
            {"name": name, "assert": {"that": f"value == '{PLANTED}'"}, "vars": {"value": value}}
            for name, value in values.items()
        ]
        + [{"debug": {"msg": "{{ plain }}"}}],
        variables={"plain": CIPHER, "deep": {"list": [{"__ansible_vault": CIPHER}]}},
        vars_from=("octans-a",),
    )
    assert ran.rc == 0, ran.end
    assert PLANTED.encode() not in b"\n".join(ran.lines)


@pytest.mark.parametrize("where", ["tasks", "variables"])
def test_no_machine_is_touched_without_the_password(ground: Ground, where: str) -> None:
    given = {"tasks": [{"raw": "true", "vars": {"a": [CIPHER]}}]}
    ran = ground.run(**given if where == "tasks" else {"variables": {"a": [CIPHER]}})
    assert ran.end.status is RunStatus.INVALID
    assert "no vaultPasswordSecret is given" in ran.end.message
    assert '{"__ansible_unsafe": "$ANSIBLE_VAULT;..."}' in ran.end.message
    assert not ran.of(Kind.TASK)


def test_another_password_is_told_as_the_secrets_fault(ground: Ground) -> None:
    ground.path(runinput.VAULT_PASSWORD_FILE).write_text("another")
    ran = ground.run(tasks=[{"raw": CIPHER}])
    assert ran.end.status is RunStatus.SECRET_INVALID
    assert "the key password of the Secret octans-vault_password_secret" in ran.end.message
    assert "can't be decrypted" in ran.end.message
    assert not ran.of(Kind.TASK)


def test_text_that_is_to_stay_as_it_is(ground: Ground) -> None:
    """As `!unsafe` in YAML: a cipher text, and what looks like a template."""
    texts = [CIPHER, "{{ 6 * 7 }}"]
    ran = ground.run(
        tasks=[
            {"debug": {"msg": {"__ansible_unsafe": texts[0]}}},
            {"debug": {"msg": {"__ansible_unsafe": texts[1]}}},
            {"debug": {"msg": "{{ kept }}"}},
        ],
        variables={"kept": {"__ansible_unsafe": texts[0]}},
    )
    assert [result.msg for result in ran.results] == [*texts, texts[0]]
