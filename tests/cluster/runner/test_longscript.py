"""The module `longscript`, run on a machine."""

from pathlib import Path
from typing import Any

from tests.cluster.runner.ground import Ground

PYTHON = """#!/usr/bin/env python3
import sys
print(sys.argv[0], "é")
sys.stderr.write("warned")
"""

SCRIPTS: dict[str, tuple[str, dict[str, Any]]] = {
    "own interpreter": (PYTHON, {"status": "ok", "rc": 0, "stderr": "warned", "changed": True}),
    "bash without a first line": (
        "set -euo pipefail\n[[ a == a ]] && echo {1..3}", {"status": "ok", "stdout": "1 2 3"}
    ),
    "fails": (
        "echo out; echo err >&2; exit 7",
        {"status": "failed", "rc": 7, "stdout": "out", "stderr": "err",
         "msg": "run script error, error: script return code 7, error: err"},
    ),
    "an interpreter that is not there": (
        "#!/no/such/shell\ntrue",
        {"status": "failed", "rc": 127, "msg": "run script error, error: script return code 127,"
         " error: [Errno 2] No such file or directory: b'/no/such/shell'"},
    ),
    "another encoding": (r"printf 'caf\351\n'", {"status": "ok", "rc": 0}),
    "quotes and braces": (
        "{% raw %}printf '%s' \"{{ not a template }}\" \\\\{% endraw %}",
        {"status": "ok", "stdout": "{{ not a template }}\\"},
    ),
    "a browser's lines": (
        "#!/bin/sh\r\nif true; then\r\n  printf '%s' done\r\nfi", {"status": "ok", "stdout": "done"}
    ),
    "one such line of its own": (
        "printf '%s' 'a\r\nb'\ntrue", {"status": "ok", "stdout": "a\r\nb"}
    ),
    "long": ("# " + "x" * 200_000 + "\necho done", {"status": "ok", "stdout": "done"}),
}  # fmt: skip


def test_scripts(ground: Ground) -> None:
    tasks = [
        {"name": name, "longscript": {"content": content}, "ignore_errors": True}
        for name, (content, _) in SCRIPTS.items()
    ]
    ran = ground.run(tasks=tasks)
    seen = [
        {name: getattr(result, name) for name in expected}
        for result, (_, expected) in zip(ran.results, SCRIPTS.values(), strict=True)
    ]
    assert seen == [expected for _, expected in SCRIPTS.values()]
    path, word = (ran.results[0].stdout or "").rsplit(" ", 1)
    assert word == "é"
    assert not Path(path).exists()


def test_check_mode_runs_nothing(ground: Ground, tmp_path: Path) -> None:
    ran = ground.run(tasks=[{"longscript": {"content": f"touch {tmp_path}/ran"}}], check=True)
    assert ran.rc == 0
    assert ran.results[0].changed is False
    assert not (tmp_path / "ran").exists()
