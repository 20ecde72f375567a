"""What the cluster tests are given through the environment."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
"""The checkout."""
CHART: Final = ROOT / "charts" / "octans"

_NEEDED: Final = {
    "OCTANS_TEST_KUBECONFIG": "kubeconfig of a cluster on which the tests may do as they like",
    "OCTANS_TEST_IMAGE": "image of api and controller that the cluster's nodes have",
    "OCTANS_TEST_RUNNER_IMAGE": "image of the runner that they have",
    "OCTANS_TEST_OLD_RUNNER_IMAGE": "image of the runner with ansible-core 2.16 that they have",
    "OCTANS_TEST_MACHINE_IMAGE": "image with an SSH server that they have",
    "OCTANS_TEST_OLD_MACHINE_IMAGE": "image with an SSH server and Python 2.7 that they have",
}


class NotGivenError(Exception):
    """Something that the tests need is missing; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Given:
    """A cluster, images that its nodes have, and programs."""

    kubeconfig: Path
    image: str
    runner_image: str
    old_runner_image: str
    machine_image: str
    old_machine_image: str
    helm: str
    kubectl: str
    name: str
    """What the namespaces and the release are called after."""


def read(environ: Mapping[str, str]) -> Given:
    """From OCTANS_TEST_* variables; NotGivenError where one is missing."""
    missing = [f"{name} ({what})" for name, what in _NEEDED.items() if not environ.get(name)]
    if missing:
        raise NotGivenError(
            "The cluster tests run on a real cluster only, `make test` makes one and sets "
            "what they need; not set: " + ", ".join(missing) + "."
        )
    kubeconfig = Path(environ["OCTANS_TEST_KUBECONFIG"])
    if not kubeconfig.is_file():
        raise NotGivenError(f"OCTANS_TEST_KUBECONFIG names {kubeconfig}, which is no file.")
    programs = {}
    for program in ("helm", "kubectl"):
        variable = f"OCTANS_TEST_{program.upper()}"
        found = shutil.which(environ.get(variable) or program)
        if found is None:
            raise NotGivenError(f"There is no {program} on this machine; {variable} may name it.")
        programs[program] = found
    return Given(
        kubeconfig=kubeconfig,
        image=environ["OCTANS_TEST_IMAGE"],
        runner_image=environ["OCTANS_TEST_RUNNER_IMAGE"],
        old_runner_image=environ["OCTANS_TEST_OLD_RUNNER_IMAGE"],
        old_machine_image=environ["OCTANS_TEST_OLD_MACHINE_IMAGE"],
        machine_image=environ["OCTANS_TEST_MACHINE_IMAGE"],
        helm=programs["helm"],
        kubectl=programs["kubectl"],
        name=environ.get("OCTANS_TEST_NAME") or "octans-test",
    )
