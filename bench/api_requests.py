"""How many requests the API server of the cluster has answered."""

import re

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config

_SAMPLE = re.compile(r"^apiserver_request_total\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)


async def total() -> float:
    """All requests since the API server's start but watches' and probes', from its metrics."""
    configuration = Configuration()
    await load_kube_config(client_configuration=configuration)
    async with ApiClient(configuration) as api:
        headers: dict[str, str] = {}
        await api.update_params_for_auth(headers, [], ["BearerToken"], "/metrics", "GET", None)
        url = f"{configuration.host}/metrics"
        answer = await api.call_api("GET", url, header_params=headers)
        text = (await answer.response.read()).decode()
    return sum(
        float(value)
        for labels, value in _SAMPLE.findall(text)
        if 'verb="WATCH"' not in labels and 'resource=""' not in labels
    )
