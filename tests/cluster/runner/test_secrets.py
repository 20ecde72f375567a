"""Nothing that is secret leaves, and nobody else writes frames."""

import json

from tests.cluster.runner.ground import Ground

PASSWORD = 'planted-"quoted"-é-secret'
SEVERAL = "first planted line\nsecond planted line"


def test_named_values_are_replaced_everywhere(ground: Ground) -> None:
    ground.put_variables(0, {"db_password": PASSWORD})
    ran = ground.run(
        vars_from=("octans-a",),
        variables={"api": {"tokens": [SEVERAL, 12345678]}, "secret_short": "abc", "plain": "seen"},
        tasks=[
            {"name": "it is {{ db_password }}", "debug": {"msg": "{{ db_password }} {{ plain }}"}},
            {"debug": {"var": "api"}},
            {"shell": "echo {{ db_password | quote }}; echo '{{ api.tokens[0] }}' >&2; exit 3"},
            {"no_such": "x"} if False else {"debug": {"msg": "{{ secret_short }}"}},
        ],
    )
    everything = b"\n".join(ran.lines) + json.dumps(ran.told.data()).encode()
    for planted in ("planted", "12345678", "quoted"):
        assert planted.encode() not in everything
    assert ran.results[0].msg == "******** seen"
    assert ran.results[0].task == "it is ********"
    assert "********" in ran.end.message


def test_keys_and_passwords_are_replaced(ground: Ground) -> None:
    vault = ground.path("/run/octans/vault/password")
    vault.write_text("planted-vault-password\n")
    key = ground.path("/run/octans/ssh/ssh-privatekey")
    show = {"delegate_to": "localhost", "connection": "local", "raw": f"cat {key} {vault}"}
    ran = ground.run(tasks=[show])
    assert ran.rc == 0
    everything = b"\n".join(ran.lines)
    assert b"planted" not in everything
    for line in key.read_text().splitlines():
        assert line.encode() not in everything


def test_nobody_else_writes_frames(ground: Ground) -> None:
    """The play looks for every way to the runner's standard output, as the same user."""
    find = """pid=$$
        until tr '\\0' ' ' < /proc/$pid/cmdline | grep -q -e '-m controller[.]runner'; do
            pid=$(awk '{print $4}' /proc/$pid/stat)
        done
        echo "the runner is $pid"
        for fd in 1 2 3 4 5 6 7 8 9 10; do
            echo '{"run":"forged","seq":1}' > /proc/$pid/fd/$fd && echo opened $fd
        done
        head -c 1 /proc/$pid/environ && echo read its environment
        echo end"""
    ran = ground.run(tasks=[{"delegate_to": "localhost", "connection": "local", "raw": find}])
    # Every line was a frame of the run: Ground.finish has checked it.
    (result,) = ran.results
    first, *others, last = (result.stdout or "").splitlines()
    assert (first.startswith("the runner is "), others, last) == (True, [], "end")
    assert (result.stderr or "").lower().count("permission denied") >= 4
    assert b'"run":"forged"' not in b"".join(ran.lines)


def test_no_variable_and_no_argument_holds_a_secret(ground: Ground) -> None:
    ground.put_variables(0, {"db_password": PASSWORD})
    look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -c plante[d]; true"
    ran = ground.run(
        vars_from=("octans-a",),
        tasks=[{"delegate_to": "localhost", "connection": "local", "raw": look}],
    )
    assert (ran.results[0].stdout or "").strip() == "0"
