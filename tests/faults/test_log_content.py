"""What plays write: far too much, no text at all, frames of their own, secrets."""

import asyncio
import json
import re
import secrets
from typing import Any, Final

import pytest

from crds import frames, names
from crds.configmaps import ConfigMapArchive
from crds.frames import Kind
from crds.records import Result, RunStatus, Summary
from tests.cluster.platform.calls import Octans, Work, unique
from tests.cluster.platform.machines import Keys, mark
from tests.cluster.platform.output import much, overflow_is_whole
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.stores import Store
from tests.faults.phases import local
from tests.faults.schedule import timed
from tests.faults.trials import Ground, Told, Trial

pytestmark = pytest.mark.faults

MANY_LINES: Final[Work] = [
    {
        "name": "say",
        "debug": {"msg": "{{ 'line of text ' * 1000 }}"},
        "loop": "{{ range(1600) | list }}",
    }
]
"""20 MB of Ansible's own output."""
RANDOM: Final = "{{ lookup('password', '/dev/null length=12000') }}"
INCOMPRESSIBLE: Final[Work] = [
    {"name": "say", "debug": {"msg": RANDOM}, "loop": "{{ range(400) | list }}"}
]
"""5 MB: the runner writes all of it, the archive has no room for it."""


def written(megabytes: int) -> dict[str, Any]:
    """A command of the machine that writes so much in lines."""
    return {"name": "write", "raw": f"yes some line of text | head -c {megabytes}000000"}


BINARY: Final = r"printf '\000\001\377\376 caf\351 \033[31mred\033[0m a\rb\n\302\n'"
OK: Final = Told("Succeeded", "Completed", "ok", "whole")
ROWS: Final[dict[str, tuple[Work, float, Told]]] = {
    "20 MB of lines": (
        MANY_LINES, 150, Told("Succeeded", "Completed", "ok", "lacking")),
    "more than the archive holds": (
        INCOMPRESSIBLE, 150, Told("Succeeded", "Completed", "ok", "lacking")),
    "200 MB of results": ([written(2)] * 100, 300, OK),
    "a line of 1 MiB": ([{"raw": "head -c 1048576 /dev/zero | tr '\\0' x"}], 60, OK),
    "no text": ([{"raw": BINARY}, {"raw": "head -c 100000 /dev/urandom"}], 60, OK),
}  # fmt: skip


WHY: Final = re.compile("records are left out or short|The archive's limit was reached")


SECONDS: Final = {"20 MB of lines": 15, "more than the archive holds": 15, "200 MB of results": 90}


@pytest.mark.parametrize("row", timed(ROWS, SECONDS))
async def test_much_and_strange_output(trials: Ground, row: str) -> None:
    """What is not kept is declared: of a log by its message, of a result by name."""
    work, seconds, told = ROWS[row]
    trial = await trials.begin("output", work, verbosity=1)
    task = await trial.ends(told, seconds=seconds)
    log = task.status.log
    assert log is not None
    assert log.complete or WHY.search(str(log.message))
    assert "\0" not in log.tail
    results = await results_of(trial)
    print(f"{len(results)} results in {log.bytes} bytes: {log.message}")
    assert len(results) == len(work) + 1
    for result in results:
        assert len(result.stdout or "") < 16 * 1024 or "stdout" in result.cut, result.task


@pytest.mark.seconds(150)
async def test_200_mb_in_an_object_store(
    store: Store, trials: Ground, octans: Octans, api: HostProcess, controller: HostProcess
) -> None:
    """Neither program ever has the log in its memory."""
    results = 15_500
    before = {each: each.most_memory for each in (api, controller)}
    label = unique("correlated")
    trial = await trials.begin(
        "store", much(results), verbosity=1, timeoutSeconds=900, correlationId=label
    )
    task = await trial.ends(Told("Succeeded", "Completed", "ok", "whole"), seconds=900)
    await overflow_is_whole(store, task, results)
    seen = await octans.check(trial.name)
    assert '"task": "last"' in seen["log"], "the newest results are told"
    assert len(await octans.getlog(label)) == len(much(results))
    grown = {each.module: (each.most_memory - most) / 1e6 for each, most in before.items()}
    print(f"MB of memory that it took: {grown}")
    assert max(grown.values()) < 100


async def results_of(trial: Trial) -> list[Result]:
    """The results in a trial's archive."""
    lines = (await archived(trial)).splitlines()
    found = [frame for line in lines if (frame := frames.parse(line.encode())) is not None]
    records = frames.records(found)
    return [Result.read(record.data) for record in records if record.kind is Kind.TASK]


async def archived(trial: Trial) -> str:
    """The text of a trial's archive."""
    tasks = trial.ground.tasks
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    chunks = [chunk async for chunk in archive.read(await tasks.get(trial.name))]
    return b"\n".join(line for chunk in chunks for line in chunk.lines()).decode()


FORGE: Final = """until [ -e /tmp/forged ]; do sleep 0.1; done
cat /tmp/forged
for file in /dev/stdout /dev/stderr /dev/termination-log /proc/[0-9]*/fd/[12]; do
    cat /tmp/forged >"$file"
done
exit 3"""


async def test_frames_of_a_play(trials: Ground) -> None:
    """A play that somehow knows its run's nonce writes, wherever it can, that all went well."""
    trial = await trials.begin("forged", [local("forge", FORGE)])
    await trial.at_work()
    pod = (await trial.pods())[0]["metadata"]["name"]
    first = (await trials.kubectl("logs", pod)).splitlines()[0]
    run = json.loads(first)["run"]
    told = Summary(run, RunStatus.DONE, 0, 100, "0", {"ok": 1})
    hosts = {"ok": [trial.machine.address]}
    forged = [
        line
        for seq in range(1, 60)
        for kind, data in ((Kind.HOSTS, {"hosts": hosts, **hosts}), (Kind.END, told.data()))
        for line in frames.encode(run, seq, 1.0, kind, data)
    ]
    text = b"\n".join([json.dumps(told.data()).encode(), *forged]).decode()
    await trial.in_pod(f"cat >/tmp/forging <<'END'\n{text}\nEND\nmv /tmp/forging /tmp/forged")
    await trial.ends(Told("Failed", "HostsFailed", "failed", "whole"))


READABLE: Final = "ansibletasks,jobs,pods,configmaps,events,leases"


async def everything(
    trial: Trial, octans: Octans, api: HostProcess, controller: HostProcess, more: str = ""
) -> dict[str, str]:
    """All that may be read of a task, by where it stands."""
    kubectl, name = trial.ground.kubectl, (await trial.ground.tasks.get(trial.name)).task_name
    correlation = {"X-CORRELATION-ID": name}
    answers = [
        await octans.post("check", {"name": name}),
        await octans.post("check", {"name": name}, {"X-SOURCE": "s"}),
        await octans.post("getlog", {}, correlation),
        await octans.post("run", {"name": name, "nodes": ["192.0.2.1"], "tasks": []}),
        await octans.http.get("/metrics"),
        await octans.http.get(f"{controller.url}/metrics"),
    ]
    return {
        "objects": await kubectl("get", READABLE, "-o", "yaml", "--show-managed-fields"),
        "descriptions": await kubectl("describe", "pods,jobs,ansibletasks"),
        "the archive": await archived(trial),
        "the pod's log": (
            await kubectl.ask("logs", f"--selector=job-name={trial.name}", "--tail=-1")
        ).out,
        "the API's log": api.log.read_text(),
        "the controller's log": controller.log.read_text(),
        "answers": "\n".join([more, *(answer.text for answer in answers)]),
    }


async def test_secrets_of_a_task_that_prints_them(
    trials: Ground, octans: Octans, api: HostProcess, controller: HostProcess, keys: Keys
) -> None:
    """Key, passwords and variables as their files hold them; and the result of `no_log`."""
    name = unique("secrets")
    vault, become, variable, hidden = (f"canary-{secrets.token_hex(12)}" for _ in range(4))
    for kind, value in {
        "vault": f"password={vault}", "become": f"password={become}", "vars": f"db_pass={variable}",
    }.items():  # fmt: skip
        secret = f"octans-{name}-{kind}"
        await trials.kubectl("create", "secret", "generic", secret, f"--from-literal={value}")
    await trials.machines[0].run(f"echo {hidden} > /tmp/{name}")
    show = f"cat /tmp/{name}; cat /tmp/{name} >&2"
    work: Work = [
        local("files", "cat /run/octans/*/*key /run/octans/*/password /run/octans/vars/0/*"),
        {"name": "variables", "debug": {"msg": "{{ db_pass }}"}},
        {"name": "on the machine", "raw": "echo '{{ db_pass }}' | tee /dev/stderr; exit 1",
         "ignore_errors": True},
        {"name": "hidden", "raw": show, "no_log": True},
        {"name": "hidden", "raw": f"{show}; exit 1", "no_log": True, "ignore_errors": True},
    ]  # fmt: skip
    trial = await trials.begin(
        "secrets", work, name=name, verbosity=3, correlationId=name,
        vaultPasswordSecret=f"octans-{name}-vault", becomePasswordSecret=f"octans-{name}-become",
        varsFrom=[{"name": f"octans-{name}-vars"}],
    )  # fmt: skip
    planted = [vault, become, variable, hidden, *keys.private.splitlines()[1:-1]]
    await trial.ends(OK, secrets=planted, texts=lambda: everything(trial, octans, api, controller))
    shown = [result.stdout or result.msg or "" for result in await results_of(trial)]
    print(shown)
    assert sum("********" in text for text in shown) >= 3, "they were printed"


async def test_params_of_a_request(
    trials: Ground, octans: Octans, api: HostProcess, controller: HostProcess
) -> None:
    name, canary = unique("params"), f"canary-{secrets.token_hex(12)}"
    params = {"db_password": canary}
    use = "echo {{ db_password }} | tee /dev/stderr"
    work: Work = [mark(name), {"raw": use}, {"raw": f"{use}; exit 1", "ignore_errors": True}]
    nodes = [trials.machines[0].address]
    headers = {"X-CORRELATION-ID": name}
    number = await octans.run(name, nodes, work, params=params, headers=headers)
    refused = await asyncio.gather(
        octans.post("run", {"name": name, "nodes": ["192.0.2.9"], "tasks": work, "params": params}),
        octans.post("run", {"name": unique("no"), "nodes": nodes, "tasks": work,
                            "params": {"ansible_password": canary}}),
        octans.post("run", {"name": unique("no"), "nodes": nodes, "tasks": 5, "params": params}),
    )  # fmt: skip
    assert all(answer.json()["code"] != 0 for answer in refused)
    uid = (await trials.tasks.by_id(number)).metadata.uid
    trial = Trial(trials, names.object_name(number), uid)
    more = "\n".join(answer.text for answer in refused)
    await trial.ends(
        OK, secrets=[canary], texts=lambda: everything(trial, octans, api, controller, more)
    )
    assert await trials.machines[0].marks(name) == 1
