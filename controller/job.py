"""Converts an AnsibleTask into the input Secret and the Indexed Job that carry it out; pure."""

import math
from datetime import datetime
from typing import Any

from controller.observed import JobView, slices_of
from controller.settings import Settings
from crds import names, nesting, runinput
from crds.conditions import Reason
from crds.model import AnsibleTask
from crds.objectstore import Uploads
from crds.runinput import RunInput
from crds.tasks import owner_of

Object = dict[str, Any]
_OWN_SECRETS = ("ssh_key_secret", "known_hosts_secret", "become_password_secret",
                "vault_password_secret")  # fmt: skip


def refusal(task: AnsibleTask, settings: Settings) -> str | None:
    """Why a task can't be run at all, `REASON: sentence`; None where it can."""
    spec = task.spec
    for field in ("tasks", "roles", "playbook", "vars"):
        if nesting.too_deep(getattr(spec, field)):
            return (
                f"{Reason.PLAYBOOK_INVALID}: spec.{field} nests deeper than {nesting.DEEPEST}"
                " levels."
            )
    wanted = [getattr(spec, name) for name in _OWN_SECRETS]
    wanted += [ref.name for ref in spec.vars_from or ()]
    for secret in wanted:
        if secret is None or names.is_params_secret(task.metadata.name, secret):
            continue
        # NB: no other name that begins with the task's: who makes a task chooses what it is called.
        if not secret.startswith(settings.secret_prefix):
            return (
                f"{Reason.SECRET_NOT_ALLOWED}: The Secret {secret} is not for tasks: its name must "
                f"start with {settings.secret_prefix!r}."
            )
    if spec.runner not in settings.runner_images:
        known = ", ".join(sorted(settings.runner_images))
        return f"{Reason.IMAGE_PULL_FAILED}: There is no runner {spec.runner!r}, only {known}."
    return None


def run_input(task: AnsibleTask, settings: Settings, uploads: Uploads) -> RunInput:
    """What the program in the pod is told."""
    spec = task.spec
    return RunInput(
        task_name=task.task_name,
        slices=slices_of(spec.unique_hosts, spec.slice_count),
        tasks=spec.tasks,
        roles=spec.roles,
        playbook=spec.playbook,
        work=spec.work,
        variables=spec.vars or {},
        vars_from=tuple(ref.name for ref in spec.vars_from or ()),
        ssh_key_secret=spec.ssh_key_secret or _default_key(settings) or "",
        known_hosts_secret=_known_hosts(task, settings) or "",
        become_password_secret=spec.become_password_secret or "",
        vault_password_secret=spec.vault_password_secret or "",
        user=spec.user,
        port=spec.port,
        forks=spec.forks,
        timeout=spec.timeout_seconds,
        gather_facts=spec.gather_facts,
        pipelining=settings.pipelining if spec.pipelining is None else spec.pipelining,
        become=spec.become,
        check=spec.check,
        diff=spec.diff,
        tags=spec.tags or (),
        skip_tags=spec.skip_tags or (),
        limit=spec.limit or "",
        verbosity=spec.verbosity,
        host_keys=settings.host_keys,
        key_url=settings.ssh_key_url,
        secret_names=settings.secret_names,
        grace=settings.stop_grace,
        uploads=uploads.urls,
        upload_headers=uploads.headers,
    )


def input_secret(task: AnsibleTask, settings: Settings, uploads: Uploads) -> Object:
    """The immutable Secret with the run's input."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "immutable": True,
        "metadata": _metadata(task, names.input_secret(task.metadata.name, task.metadata.uid)),
        "stringData": {"input.json": run_input(task, settings, uploads).dump()},
    }


def job(task: AnsibleTask, settings: Settings) -> Object:
    """The Indexed Job: one completion a slice, no second attempt of any, every pod gated."""
    count = task.spec.slice_count
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(task, task.metadata.name),
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": count,
            # NB: backoffLimit stays unset: with 0 there, one failed slice would end the others.
            "backoffLimitPerIndex": 0,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {
                    "labels": {**settings.runner_pod_labels, **_labels(task)},
                    "annotations": {
                        **settings.runner_pod_annotations,
                        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                        "karpenter.sh/do-not-disrupt": "true",
                        "kubectl.kubernetes.io/default-container": names.CONTAINER,
                    },
                },
                "spec": _pod(task, settings),
            },
        },
    }


def end_of_life(job: JobView, settings: Settings, ended: datetime, *, crowded: bool) -> Object:
    """What a Job's spec gets once its task has ended, so that it goes some time later. It
    follows from the task's end and does not depend on when it is written.

    The deadline is for a Job that would not finish by itself: resumed, or given a pod by others, it
    makes a further pod, which stays behind its gate. A pod that just ends has its grace.
    """
    keep = 0 if crowded else settings.job_keep_seconds
    age = math.ceil((ended - job.created).total_seconds()) if job.created else 0
    return {
        "ttlSecondsAfterFinished": keep,
        "activeDeadlineSeconds": max(age, 0) + max(keep, settings.stop_grace),
    }


def _metadata(task: AnsibleTask, name: str) -> Object:
    return {"name": name, "labels": _labels(task), "ownerReferences": [owner_of(task)]}


def _labels(task: AnsibleTask) -> dict[str, str]:
    meta = task.metadata
    found = {
        names.LABEL_TASK_UID: meta.uid,
        names.LABEL_NO_BACKUP: "true",
        "app.kubernetes.io/component": "runner",
    }
    if names.LABEL_TASK_ID in meta.labels:
        found[names.LABEL_TASK_ID] = meta.labels[names.LABEL_TASK_ID]
    return found


def _pod(task: AnsibleTask, settings: Settings) -> Object:
    volumes, mounts = _volumes(task, settings)
    stay = {"operator": "Exists", "effect": "NoExecute"}
    pod: Object = {
        "restartPolicy": "Never",
        "schedulingGates": [{"name": names.GATE}],
        "activeDeadlineSeconds": task.spec.timeout_seconds + settings.start_margin,
        "terminationGracePeriodSeconds": settings.stop_grace,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Not being process 1 the runner can't miss a SIGTERM: to a process 1 that has no handler
        # yet, because Python is still starting, the kernel does not deliver it at all.
        "shareProcessNamespace": True,
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        # A kubelet that is away for minutes must not end a healthy run.
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", **stay},
            {"key": "node.kubernetes.io/unreachable", **stay},
            *settings.tolerations,
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": runinput.UID,
            "runAsGroup": runinput.UID,
            # Secrets are mounted root-owned; the group makes them readable and ssh accepts 0440.
            "fsGroup": runinput.UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(task, settings, mounts)],
        "volumes": volumes,
    }
    if settings.node_selector:
        pod["nodeSelector"] = settings.node_selector
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return pod


def _container(task: AnsibleTask, settings: Settings, mounts: list[Object]) -> Object:
    return {
        "name": names.CONTAINER,
        "image": settings.runner_images[task.spec.runner],
        "imagePullPolicy": settings.runner_image_pull_policy,
        "terminationMessagePath": runinput.TERMINATION_FILE,
        "terminationMessagePolicy": "File",
        "resources": settings.runner_resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _volumes(task: AnsibleTask, settings: Settings) -> tuple[list[Object], list[Object]]:
    """Volumes of the pod and where the container finds them."""
    volumes: list[Object] = []
    mounts: list[Object] = []

    def add(name: str, path: str, source: Object, *, read_only: bool = True) -> None:
        volumes.append({"name": name, **source})
        mounts.append({"name": name, "mountPath": path, "readOnly": read_only})

    def add_secret(name: str, file: str, secret: str | None) -> None:
        if secret:
            folder = file.rpartition("/")[0]
            add(name, folder, {"secret": {"secretName": secret, "defaultMode": 0o400}})

    spec = task.spec
    add_secret(
        "input", runinput.INPUT_FILE, names.input_secret(task.metadata.name, task.metadata.uid)
    )
    add_secret("ssh", runinput.SSH_KEY_FILE, spec.ssh_key_secret or _default_key(settings))
    add_secret("known-hosts", runinput.KNOWN_HOSTS_FILE, _known_hosts(task, settings))
    add_secret("become", runinput.BECOME_PASSWORD_FILE, spec.become_password_secret)
    add_secret("vault", runinput.VAULT_PASSWORD_FILE, spec.vault_password_secret)
    for at, ref in enumerate(spec.vars_from or ()):
        add_secret(f"vars-{at}", f"{runinput.VARS_DIR}/{at}/any", ref.name)
    # The work and its output fit in far less; a play that fills its home ends itself, not the node.
    add("home", runinput.HOME_DIR, {"emptyDir": {"sizeLimit": "512Mi"}}, read_only=False)
    add("tmp", "/tmp", {"emptyDir": {"sizeLimit": "256Mi"}}, read_only=False)  # noqa: S108
    if settings.project_volume:
        add("project", runinput.PROJECT_DIR, settings.project_volume)
    return volumes, mounts


def _known_hosts(task: AnsibleTask, settings: Settings) -> str | None:
    """The Secret with host keys; none where they are not looked at."""
    if settings.host_keys != "strict":
        return None
    return task.spec.known_hosts_secret or settings.known_hosts_secret


def _default_key(settings: Settings) -> str | None:
    return None if settings.ssh_key_url else settings.ssh_key_secret
