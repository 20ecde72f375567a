"""What the runner makes of hosts, variables and the work it is given."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.runner import folder, inputs, variables
from controller.runner.inputs import Refused, Slice
from controller.runner.paths import Paths
from crds import hosts, runinput
from crds.hosts import Address
from crds.records import RunStatus
from crds.runinput import RunInput

HOSTS = {
    "10.0.0.7": Address("10.0.0.7"),
    "10.0.0.7:2222": Address("10.0.0.7", 2222),
    "web-1.example": Address("web-1.example"),
    "web1:22": Address("web1", 22),
    "fd00::7": Address("fd00::7"),
    "[fd00::7]": Address("fd00::7"),
    "[fd00::7]:2222": Address("fd00::7", 2222),
    "{{x}}": Address("{{x}}"),
}

NO_HOSTS = {
    "-oProxyCommand": "no address or name",
    "[-x]:22": "no IPv6 address",
    "[web]": "no IPv6 address",
    "web:0": "1 to 65535",
    "web:65536": "1 to 65535",
    "eve@web": "no address or name",
    "ssh://web": "no address or name",
    "web[1:3]": "no address or name",
    "a=b": "no address or name",
    "": "no address or name",
    "a:b:22": "no address or name",
}


@pytest.mark.parametrize("text", HOSTS)
def test_host(text: str) -> None:
    assert hosts.parse(text) == HOSTS[text]


@pytest.mark.parametrize("text", NO_HOSTS)
def test_no_host(text: str) -> None:
    with pytest.raises(hosts.BadHost, match=NO_HOSTS[text]):
        hosts.parse(text)


REFUSED_NAMES = (
    "ansible_host", "ansible_ssh_common_args", "hostvars", "groups", "group_names",
    "inventory_hostname", "inventory_hostname_short", "play_hosts", "playbook_dir", "role_path",
    "omit", "vars", "lookup", "query",
)  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_refused_variable(name: str) -> None:
    with pytest.raises(variables.BadVariables):
        variables.check([name])


def test_variables_that_field_clients_send() -> None:
    variables.check(["name", "port", "tags", "hosts", "_x", "environment", "Ansible"])


def secret(root: Path, files: dict[str, str | bytes], index: int = 0) -> Path:
    """A mounted Secret of `varsFrom`; gives the folder of all."""
    (root / str(index)).mkdir(parents=True)
    for name, text in files.items():
        (root / str(index) / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_variables_of_secrets(tmp_path: Path) -> None:
    secret(tmp_path, {"vars.json": '{"a": 1, "b": {"c": null}}', "d": "text\n", "..data": "no"})
    secret(tmp_path, {"vars.yaml": "a: 2020-01-01\ny: 'y'\n"}, index=1)
    assert variables.read_folders(tmp_path, ("s0", "s1")) == {
        "a": "2020-01-01", "b": {"c": None}, "d": "text\n", "y": "y",
    }  # fmt: skip


BAD_FILES: dict[str, tuple[str, str | bytes, str]] = {
    "broken JSON": ("vars.json", '{"planted": ', "can't be read as JSON"),
    "broken YAML": ("vars.yml", "planted: [", "can't be read as YAML"),
    "a list": ("vars.json", '["planted"]', "must hold an object"),
    "not UTF-8": ("word", b"planted\xff", "is not UTF-8"),
}


@pytest.mark.parametrize("row", BAD_FILES)
def test_secret_that_holds_no_variables(tmp_path: Path, row: str) -> None:
    name, text, expected = BAD_FILES[row]
    folders = secret(tmp_path, {name: text})
    with pytest.raises(variables.BadVariables, match=expected) as raised:
        variables.check(list(variables.read_folders(folders, ("octans-s",))))
    assert "planted" not in str(raised.value)


def given(root: Path, **more: Any) -> Paths:
    """A pod's folder with this input."""
    paths = Paths(root)
    paths.input.parent.mkdir(parents=True)
    paths.input.write_text(
        RunInput(**{"task_name": "t", "slices": (("a",), ("b:2222", "c")), **more}).dump()
    )
    return paths


def test_read_takes_this_pods_slice(tmp_path: Path) -> None:
    found = inputs.read(given(tmp_path, tasks=[]), 1)
    assert list(found.hosts) == ["b:2222", "c"]


def test_each_slice_has_its_own_upload_urls(tmp_path: Path) -> None:
    headers = {"x-ms-blob-type": "BlockBlob"}
    paths = given(tmp_path, tasks=[], uploads=(("u0", "u1"), ("v0",)), upload_headers=headers)
    found = [inputs.read(paths, index) for index in range(2)]
    assert [slice_.uploads for slice_ in found] == [("u0", "u1"), ("v0",)]
    assert found[0].input.upload_headers == headers
    old = json.loads(paths.input.read_text())
    del old["uploads"], old["upload_headers"]
    paths.input.write_text(json.dumps(old))
    assert inputs.read(paths, 1).uploads == ()


@pytest.mark.parametrize("kind", ["tasks", "playbook"])
def test_work_as_text_is_tasks_or_plays(tmp_path: Path, kind: str) -> None:
    item = {"raw": "x", "vars": {"b": 2.0, "a": 1}}
    items = [item] if kind == "tasks" else [{"hosts": "all", "tasks": [item]}]
    found = inputs.read(given(tmp_path, work=json.dumps(items)), 0).input
    assert json.dumps(getattr(found, kind)) == json.dumps(items)
    assert inputs.plays(found)[0]["hosts"] == "all"


UNREADABLE: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such slice": ({}, 2, "input can't be read"),
    "upload URLs for other slices": ({"uploads": (("u",),)}, 1, "no upload URLs for some"),
    "a user that is an option": ({"user": "-x"}, 0, "user '-x' is no name"),
    "a user with a quote": ({"user": 'a"b'}, 0, "is no name"),
    "a host that is none": ({"slices": (("a@b",),)}, 0, "host 'a@b'"),
    "Ansible's own variable": ({"variables": {"ansible_x": 1}}, 0, "'ansible_x' is Ansible's own"),
    "a Secret that is not there": ({"vars_from": ("octans-s",)}, 0, "a Secret can't be read"),
    "work that is no JSON": ({"work": "- raw: a"}, 0, "spec.work must be JSON text of a list"),
    "work without a task": ({"work": "[]"}, 0, "spec.work must be JSON text of a list"),
    "work that is one object": ({"work": "{}"}, 0, "spec.work must be JSON text of a list"),
    "work of texts": ({"work": '["raw"]'}, 0, "spec.work must be JSON text of a list"),
    "work nested without end": ({"work": "[" * 200_000}, 0, "spec.work must be JSON text"),
    "work nested too deep": (
        {"work": '[{"a":' + "[" * 250 + "]" * 250 + "}]"},
        0,
        "nests deeper than 200 levels",
    ),
}


@pytest.mark.parametrize("row", UNREADABLE)
def test_refused(tmp_path: Path, row: str) -> None:
    more, index, expected = UNREADABLE[row]
    with pytest.raises(Refused, match=expected):
        inputs.read(given(tmp_path, **more), index)


def test_the_input_of_a_newer_controller_is_told_as_that(tmp_path: Path) -> None:
    paths = given(tmp_path, tasks=[])
    newer = json.loads(paths.input.read_text()) | {"strategy": "free"}
    paths.input.write_text(json.dumps(newer))
    with pytest.raises(Refused, match="older than the controller: it does not know strategy") as no:
        inputs.read(paths, 0)
    assert no.value.status is RunStatus.CRASHED


def test_plays() -> None:
    base = RunInput(task_name="{{ n }}", slices=(("a",),), gather_facts=False)
    around = {"name": {"__ansible_unsafe": "{{ n }}"}, "hosts": "all", "gather_facts": False}
    tasks: list[dict[str, Any]] = [{"raw": "true"}]
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    assert inputs.plays(RunInput(**fields | {"tasks": tasks})) == [around | {"tasks": tasks}]
    roles: list[dict[str, Any]] = [{"role": "r"}]
    assert inputs.plays(RunInput(**fields | {"roles": roles})) == [around | {"roles": roles}]
    plays: list[dict[str, Any]] = [{"hosts": "a"}]
    assert inputs.plays(RunInput(**fields | {"playbook": plays})) == plays


def test_folder(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for file in (paths.private_key, paths.become_password, paths.vault_password):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (paths.project / "roles").mkdir(parents=True)
    slice_ = Slice(
        RunInput(
            task_name="t", slices=(), tasks=[], user="eve", port=2200, forks=7, become=True,
            check=True, diff=True, tags=("a", "b"), skip_tags=("c",), limit="x", verbosity=2,
        ),
        0, {"h:1": Address("h", 1), "i": Address("i"), "j:2200": Address("j", 2200)}, {"v": 1},
    )  # fmt: skip
    command = folder.write(paths, slice_, {"i": {"ansible_ssh_private_key_file": "/k"}})
    text = " ".join(command.arguments)
    for part in (
        "--forks 7", "--user eve", "-vv", "--become ", "--check", "--diff", "--tags a,b",
        "--skip-tags c", "--limit x", "--become-password-file", "--vault-password-file",
        "--private-key",
    ):  # fmt: skip
        assert part in text
    assert json.loads((paths.run / "octans-hosts.json").read_text()) == {
        "vars": {"v": 1},
        "hosts": {
            "h:1": {"ansible_host": "h", "ansible_port": 1},
            "i": {"ansible_host": "i", "ansible_ssh_private_key_file": "/k"},
            "j:2200": {"ansible_host": "j"},
        },
    }
    assert (paths.play / "roles").resolve() == (paths.project / "roles").resolve()
    assert "OCTANS_CHECK_HOSTS" not in command.env
    assert (paths.run.stat().st_mode & 0o777) == 0o700


def test_the_control_path_fits_a_socket() -> None:
    """OpenSSH adds a dot and 16 letters while it makes one; Ansible's name has 10 digits."""
    assert len(f"{Paths().control}/0123456789.0123456789abcdef") <= 90
    assert str(Paths().input) == runinput.INPUT_FILE
    assert str(Paths().termination) == runinput.TERMINATION_FILE
