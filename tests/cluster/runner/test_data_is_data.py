"""What a caller gives as data reaches the machine as it is, and chooses nothing."""

import json
import subprocess
import sys
from pathlib import Path

from crds.records import Result, RunStatus
from tests.cluster.runner.ground import Ground

TEMPLATE = "{{ lookup('pipe', 'id') }}"


def by_task(results: list[Result]) -> dict[str, str | None]:
    """Output of each task, without the line end of a terminal."""
    return {result.task: (result.stdout or "").rstrip("\r\n") or result.msg for result in results}


def test_no_text_of_data_is_a_template(ground: Ground) -> None:
    ground.put_variables(0, {"vars.json": json.dumps({"given": TEMPLATE, "both": "first"})})
    ground.put_variables(1, {"both": TEMPLATE})
    echo = "printf '%s' {{ {0} | quote }}"
    names = ["plain", "deep.list[0]", "given", "both"]
    ran = ground.run(
        task_name=f"a task {TEMPLATE}",
        variables={"plain": TEMPLATE, "deep": {"list": [TEMPLATE]}, "name": "caller's", "port": 9},
        vars_from=("octans-a", "octans-b"),
        tasks=[
            *({"name": name, "raw": echo.replace("{0}", name)} for name in names),
            {"name": "names that field clients send", "debug": {"msg": "{{ name }} {{ port }}"}},
            {"name": "play", "debug": {"msg": "{{ ansible_play_name }}"}},
        ],
    )
    told = by_task(ran.results)
    assert [told[name] for name in names] == [TEMPLATE] * 4
    assert told["names that field clients send"] == "caller's 9"
    assert told["play"] == f"a task {TEMPLATE}"
    assert f"PLAY [a task {TEMPLATE}]" in ran.output


def test_any_name_is_a_variable(ground: Ground) -> None:
    """Ansible has no expression for such a name, but finds it among the host's variables."""
    odd = {"my-var": 1, "0": "zero", "a b": [], "ünï": {}}
    show = {"debug": {"msg": "{{ hostvars[inventory_hostname]['my-var'] }} {{ ok }}"}}
    ran = ground.run(variables={**odd, "ok": "fine"}, tasks=[show])
    assert (ran.rc, ran.results[0].msg) == (0, "1 fine")


def test_names_of_hosts_are_literal(ground: Ground) -> None:
    """No pattern and no template; each is one host, under its own name."""
    strange = ("{{lookup('pipe','id')}}", "*", "!all", "a,b.invalid", "~web", "web[1:3].invalid")
    plain = {"name": "who", "debug": {"msg": "{{ inventory_hostname }}"}}
    ran = ground.run(slices=(strange[:-1],), tasks=[plain])
    assert {result.host: result.msg for result in ran.results} == {
        name: name for name in strange[:-1]
    }
    refused = ground.run(slices=(strange,), tasks=[plain])
    assert refused.end.status is RunStatus.INVALID
    assert "'web[1:3].invalid' is no address or name" in refused.end.message


def test_ports_and_users(ground: Ground) -> None:
    port = ground.server.port
    hosts = ("127.0.0.1", f"127.0.0.1:{port}", f"localhost:{port}", "[::1]:9")
    ran = ground.run(
        slices=(hosts,), port=port, host_keys="off", user="root",
        tasks=[{"name": "who", "raw": "whoami"}],
    )  # fmt: skip
    assert {result.host: result.status for result in ran.results} == {
        hosts[0]: "ok", hosts[1]: "ok", hosts[2]: "ok", hosts[3]: "unreachable",
    }  # fmt: skip
    assert {(result.stdout or "").strip() for result in ran.results} == {"root", ""}


def test_inventory_variables_lose_against_the_work(ground: Ground) -> None:
    play = {
        "hosts": "all", "gather_facts": False, "vars": {"of_play": "play"},
        "tasks": [{"debug": {"msg": "{{ of_play }} {{ of_params }}"}}],
    }  # fmt: skip
    ran = ground.run(playbook=[play], variables={"of_play": "params", "of_params": "params"})
    assert ran.results[0].msg == "play params"


def test_project_folder(ground: Ground) -> None:
    """Roles, files and templates of the project; its group_vars lose against the caller's."""
    project = ground.path("/project")
    for file, text in {
        "roles/greet/tasks/main.yml": "- debug: {msg: '{{ word }} {{ more }} {{ lower }}'}\n",
        "roles/greet/defaults/main.yml": "word: default\n",
        "group_vars/all.yml": "word: group\nmore: group\n",
        "files/note": "from files",
        "templates/t.j2": "{{ word }}!",
    }.items():
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text(text)
    variables = {"word": "caller", "lower": "kept"}
    ran = ground.run(roles=[{"role": "greet"}], variables=variables)
    assert (ran.rc, ran.results[0].msg) == (0, "caller group kept")
    target = ground.root / "target"
    ran = ground.run(
        variables=variables,
        tasks=[
            {"copy": {"src": "note", "dest": f"{target}-note"}},
            {"template": {"src": "t.j2", "dest": f"{target}-t"}},
        ],
    )
    assert (ran.rc, ran.end.message) == (0, "")
    assert (ground.root / "target-note").read_text() == "from files"
    assert (ground.root / "target-t").read_text() == "caller!"


def test_host_keys(ground: Ground) -> None:
    known = ground.path("/run/octans/known-hosts/known_hosts")
    known.write_text(known.read_text().replace("[127.0.0.1]", "[192.0.2.1]"))
    ran = ground.run()
    assert (ran.end.counts["unreachable"], ran.rc) == (1, 1)
    assert "Host key verification failed" in ran.end.message
    assert ground.run(host_keys="off").rc == 0


def test_vault(ground: Ground) -> None:
    password = ground.path("/run/octans/vault/password")
    password.write_text("open sesame\n")
    sealed = ground.path("/project/vars/sealed.yml")
    sealed.parent.mkdir(parents=True)
    sealed.write_text("word: opened\n")
    vault = Path(sys.executable).parent / "ansible-vault"
    subprocess.run(
        [vault, "encrypt", "--vault-password-file", password, sealed],
        check=True, capture_output=True,
    )  # fmt: skip
    play = {
        "hosts": "all", "gather_facts": False, "vars_files": ["vars/sealed.yml"],
        "tasks": [{"debug": {"msg": "{{ word }}"}}],
    }  # fmt: skip
    ran = ground.run(playbook=[play])
    assert (ran.rc, ran.results[0].msg) == (0, "opened")
