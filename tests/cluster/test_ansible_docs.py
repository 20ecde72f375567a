"""The examples of docs/ansible.md, run as they stand."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from crds.model import AnsibleTask
from tests.cluster.platform.calls import unique
from tests.cluster.platform.given import ROOT
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted
from tests.cluster.platform.tasks import Tasks, manifest

_BLOCK: Final = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# in the project volume: (\S+)\n(.*)", re.DOTALL)
_END: Final = re.compile(r"# (\w+)(?:: (.*))?\n")
_ADDRESSES: Final = ("10.0.0.7", "10.0.0.8", "10.0.0.9")


@dataclass(frozen=True, slots=True)
class Example:
    """A task of the document, for real machines."""

    text: str
    ends: list[tuple[str, str]]
    """Phase or reason, and what the message says."""

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = yaml.safe_load(self.text)["spec"]
        return spec


def read(addresses: list[str]) -> tuple[dict[str, str], list[Example]]:
    """The project's files by path, and the examples."""
    text = (ROOT / "docs" / "ansible.md").read_text()
    for written, real in zip(_ADDRESSES, addresses, strict=True):
        text = text.replace(written, real)
    files, examples = {}, []
    for block in _BLOCK.findall(text):
        if found := _FILE.fullmatch(block):
            files[found[1]] = found[2]
            continue
        ends = _END.findall(block.partition("spec:")[0])
        assert ends, f"an example that does not say how it ends:\n{block}"
        examples.append(Example(block, ends))
    assert files
    assert len(examples) >= 10
    return files, examples


async def test_the_examples_end_as_they_say(
    tasks: Tasks, controller: HostProcess, kubectl: Kubectl, machines: list[Machine]
) -> None:
    files, examples = read([machine.address for machine in machines])
    project = unique("project")
    keys = {f"file-{number}": path for number, path in enumerate(files)}
    data = {key: files[path] for key, path in keys.items()}
    volume = {"configMap": {"name": project,
                            "items": [{"key": k, "path": p} for k, p in keys.items()]}}  # fmt: skip
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": project},
                  "data": data}  # fmt: skip
    await kubectl("create", "-f", "-", stdin=config_map)

    places = asyncio.Semaphore(6)

    async def run(example: Example) -> AnsibleTask:
        name = unique("example")
        body = manifest(name, [])
        body["spec"] = {"gatherFacts": False} | example.spec
        async with places:
            await tasks.create(body)
            return await tasks.ended(name, seconds=180)

    async with restarted(controller, OCTANS_PROJECT_VOLUME=json.dumps(volume)):
        ended = await asyncio.gather(*map(run, examples))
    for example, task in zip(examples, ended, strict=True):
        status = task.status
        print(example.text, status.phase, status.reason, status.message)
        for end, message in example.ends:
            assert end in {status.phase, status.reason}, example.text
            assert message in status.message, example.text
