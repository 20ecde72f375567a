"""The controller's settings, from environment variables named OCTANS_*."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from crds import names
from crds.objectstore import StoreSettings


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error.msg}") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]
"""A regular expression as the runner's Python has them."""


class Settings(StoreSettings):
    """Every setting of the controller; objects and lists are JSON text in the environment."""

    model_config = SettingsConfigDict(env_prefix="OCTANS_", frozen=True, extra="ignore")

    namespace: str = Field("octans-tasks", description="Namespace of tasks, Jobs and archives.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    health_port: int = Field(8081, description="Port of /healthz, /readyz and /metrics.")
    lease_name: str = Field("octans-controller", description="Lease that one controller holds.")
    lease_seconds: int = Field(3, ge=2, description="Seconds after which a silent leader is "
                               "replaced; more while the Kubernetes API is slow.")  # fmt: skip

    max_running: int = Field(50, ge=1, description="Tasks that may have pods at a time.")
    start_margin: int = Field(300, ge=1, description="Seconds a pod may take to start.")
    unschedulable_seconds: int = Field(120, ge=0, description="Seconds a pod may find no node (an "
                                       "autoscaler needs some); on full nodes, since a task last "
                                       "had a pod on one.")  # fmt: skip
    quota_seconds: int = Field(3600, ge=0, description="Seconds a task waits for a ResourceQuota "
                               "that is used up, since a task last had a pod.")  # fmt: skip
    refused_seconds: int = Field(5, ge=0, description="Seconds a refusal or a missing Secret or "
                                 "image may last before the task fails.")  # fmt: skip
    stop_grace: int = Field(30, ge=1, description="Seconds between SIGTERM and SIGKILL of a pod.")
    keep_seconds: int = Field(604800, ge=0, description="Seconds a task is kept after its end.")
    keep_count: int = Field(5000, ge=1, description="Ended tasks kept at most, oldest go first.")
    keep_min_seconds: int = Field(3600, ge=0, description="None younger goes for the count's sake.")
    job_keep_seconds: int = Field(300, ge=0, description="Seconds Job and pod stay after the end.")
    resync_seconds: float = Field(30, gt=0, description="Every task is looked at so often.")
    status_seconds: float = Field(2, ge=0, description="Progress is written at most so often.")
    archive_seconds: float = Field(12, gt=0, description="Log is archived at least so often.")
    archive_bytes: int = Field(256 * 1024, ge=1, description="Log is archived at so many bytes.")
    archive_limit: int = Field(1024 * 1024, ge=1024, description="Compressed bytes kept of a "
                               "task's log in ConfigMaps; beyond it head and tail.")  # fmt: skip
    archive_give_up: int = Field(600, ge=0, description="Seconds for which a deleted task waits "
                                 "until its log is removed from the object store.")  # fmt: skip
    max_followers: int = Field(200, ge=1, description="Pod logs followed at a time; the others are "
                               "read every few seconds.")  # fmt: skip
    workers: int = Field(16, ge=1, description="Tasks reconciled at a time.")

    runner_images: dict[str, str] = Field(
        default={"current": "localhost/octans-runner:dev"},
        description="Runner name (spec.runner) to image.",
    )
    runner_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    runner_resources: dict[str, dict[str, str]] = Field(
        default={
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1Gi"},
        },
        description="Kubernetes resources of the runner container.",
    )
    image_pull_secrets: list[str] = Field(default=[], description="Secrets to pull images with.")
    runner_pod_labels: dict[str, str] = Field(
        default={}, description="Further labels of the runner pods; Octans' own win."
    )
    runner_pod_annotations: dict[str, str] = Field(
        default={}, description="Further annotations of the runner pods; Octans' own win."
    )
    node_selector: dict[str, str] = Field(default={}, description="Of the runner pods.")
    tolerations: list[dict[str, Any]] = Field(default=[], description="Of the runner pods.")
    project_volume: dict[str, Any] = Field(
        default={}, description="Kubernetes volume source mounted read-only at /project."
    )

    ssh_key_secret: str = Field("octans-ssh", description="Default Secret with ssh-privatekey; "
                                "empty: none.")  # fmt: skip
    known_hosts_secret: str = Field("octans-known-hosts", description="Default Secret with "
                                    "known_hosts; used where host keys are strict.")  # fmt: skip
    pipelining: bool = Field(
        True,
        description="SSH pipelining of tasks that don't say it; off where sudo wants a terminal"
        " (requiretty).",
    )
    host_keys: Literal["strict", "off"] = Field("strict", description="Check SSH host keys.")
    ssh_key_url: str = Field("", description="Where set, a host's private key is fetched from it "
                             "+ the host's address.")  # fmt: skip
    secret_prefix: str = Field(names.SECRET_PREFIX, description="Secrets that a task may name "
                               "start with it.")  # fmt: skip
    secret_names: Expression = Field(
        "pass|secret|token|key",
        description="Variables named like this (regular expression) are replaced in output.",
    )
