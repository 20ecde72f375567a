"""Historic `action` forms do on a machine what their modules always did: run for real.

The expected column is what Ansible did with `action: {module: M, args: TEXT}`: command modules got
the text whole, all others as `key=value`.
"""

from typing import Any

import pytest

from api import work
from crds.records import Result
from tests.cluster.runner.ground import Ground


def carried_out(ground: Ground, actions: list[dict[str, Any]]) -> list[Result]:
    """The results of historic tasks, translated as the API does, all of which must go well."""
    asked = [{"name": f"task {at}", "action": action} for at, action in enumerate(actions)]
    translated = work.read(asked, "ansible_task", "tasks").tasks
    assert translated is not None
    assert not any("action" in task for task in translated)
    ran = ground.run(tasks=translated, variables={"word": "said by params"})
    assert (ran.rc, ran.end.message) == (0, ""), ran.output
    return ran.results


SAYS: dict[str, tuple[dict[str, Any], str]] = {
    "shell, text": ({"module": "shell", "args": "echo {{ word }} | tr a-z A-Z"}, "SAID BY PARAMS"),
    "shell, = in the text": ({"module": "shell", "args": "FOO=bar sh -c 'echo $FOO'"}, "bar"),
    "shell, quotes": ({"module": "shell", "args": "echo \"a  b\" 'c=d'"}, "a  b c=d"),
    "shell, an option in the text": ({"module": "shell", "args": "pwd chdir=/usr/lib"}, "/usr/lib"),
    "shell, object": ({"module": "shell", "args": {"cmd": "echo $0", "executable": "/bin/sh"}},
                      "/bin/sh"),
    "command, text": ({"module": "command", "args": "echo a=b | cat"}, "a=b | cat"),
    "command, object": ({"module": "command", "args": {"argv": ["echo", "one", "two words"]}},
                        "one two words"),
    "command, an option beside": ({"module": "command", "args": "pwd", "chdir": "/usr"}, "/usr"),
    "longscript, beside": ({"module": "longscript", "content": "a=(1 2); echo ${a[1]} {{ word }}"},
                           "2 said by params"),
    "longscript, object": ({"module": "longscript", "args": {"content": "#!/bin/sh\necho $((9))"}},
                           "9"),
}  # fmt: skip


def test_commands(ground: Ground) -> None:
    results = carried_out(ground, [action for action, _ in SAYS.values()])
    told = {what: result.stdout for what, result in zip(SAYS, results, strict=True)}
    assert told == {what: expected for what, (_, expected) in SAYS.items()}


def as_text(options: dict[str, str]) -> str:
    """Options as historic clients write them."""
    return " ".join(f'{name}="{value}"' for name, value in options.items())


@pytest.mark.parametrize("form", ["text", "object"])
def test_copy_and_template(ground: Ground, form: str) -> None:
    for name, text in {"files/note": "from files\n", "templates/t.j2": "{{ word }}!\n"}.items():
        file = ground.path("/project") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    copied, made, written = (ground.root / name for name in ("copied", "made", "written"))
    arguments: list[tuple[str, dict[str, str]]] = [
        ("copy", {"src": "note", "dest": str(copied), "mode": "0600"}),
        ("template", {"src": "t.j2", "dest": str(made)}),
        ("copy", {"content": "{{ word }}", "dest": str(written)}),
    ]
    actions = [
        {"module": module, "args": options if form == "object" else as_text(options)}
        for module, options in arguments
    ]
    results = carried_out(ground, actions)
    assert [result.changed for result in results] == [True] * 3
    assert copied.read_text() == "from files\n"
    assert copied.stat().st_mode & 0o777 == 0o600
    assert made.read_text() == "said by params!\n"
    assert written.read_text() == "said by params"
