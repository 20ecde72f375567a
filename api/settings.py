"""Everything about the API that an installation may choose, from OCTANS_* environment variables."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from crds.objectstore import StoreSettings

Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]
"""CIDRs; written as one text with commas or spaces between them."""


class Settings(StoreSettings):
    """Read once, when the program starts; `OCTANS_` and the field's name in capitals is the
    environment variable."""

    model_config = SettingsConfigDict(env_prefix="OCTANS_", frozen=True, extra="ignore")

    namespace: str = Field("octans-tasks", description="Namespace in which tasks are kept.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - in a pod
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")

    max_slices: int = Field(8, ge=1, le=100, description="Most pods that a parallel_run uses.")
    wait_seconds: float = Field(
        50, ge=0, le=3600, description="Longest that a parallel_run waits for the end, in seconds."
    )
    allow_loopback: bool = Field(
        False, description="Whether nodes may be loopback or link-local addresses or localhost."
    )

    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="Largest request body.")
    max_nodes_bytes: int = Field(
        128 * 1024, ge=1, le=128 * 1024, description="Largest text of all nodes together."
    )
    max_nodes: int = Field(10_000, ge=1, le=10_000, description="Most nodes of a request.")
    max_work_bytes: int = Field(
        256 * 1024, ge=1, le=256 * 1024, description="Largest work (tasks or content)."
    )
    max_params_bytes: int = Field(
        256 * 1024, ge=1, le=512 * 1024, description="Largest params of a request."
    )
    max_depth: int = Field(
        64, ge=4, le=200, description="Deepest nesting of lists and objects in work and params."
    )
    max_in_flight: int = Field(
        1000, ge=1, description="Most requests answered at a time; more are answered with 429."
    )
    max_held_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Largest sum of bodies answered at a time."
    )
    body_seconds: float = Field(
        10, gt=0, description="Longest that a client may take to send a request, in seconds."
    )
    run_rate: float = Field(
        50,
        gt=0,
        description="run and parallel_run requests a second of one source, in the long run.",
    )
    run_burst: int = Field(500, ge=1, description="Such requests of one source at once.")
    other_rate: float = Field(
        200, gt=0, description="Other requests a second of one source, in the long run."
    )
    other_burst: int = Field(400, ge=1, description="Such requests of one source at once.")

    log_bytes: int = Field(
        1024 * 1024, ge=1024, description="Largest log of one check answer; the oldest is cut."
    )

    auth: Literal["none", "token", "kubernetes"] = Field(
        "kubernetes",
        description=(
            "Who may call: `kubernetes` (a bearer token that the cluster knows, with the right to"
            " the tasks), `token` (one shared bearer token), `none` (anybody)."
        ),
    )
    auth_token: SecretStr = Field(SecretStr(""), description="The bearer token of mode `token`.")
    auth_audience: str = Field(
        "octans", description="Audience that a token must have in mode `kubernetes`."
    )
    auth_cache_seconds: float = Field(
        60, ge=0, le=60, description="How long an answer about a token is kept."
    )
    trusted_networks: Networks = Field(
        (), description="CIDRs whose callers need no token and are known by their source header."
    )
    proxy_networks: Networks = Field(
        (), description="CIDRs of proxies whose X-Forwarded-For is believed."
    )

    retry_seconds: float = Field(
        2, ge=0, description="How long a call to the Kubernetes API is tried again, in seconds."
    )
    call_seconds: float = Field(
        4, gt=0, description="How long one call to the Kubernetes API may take in all, in seconds."
    )
    connections: int = Field(64, ge=1, description="Most calls to the Kubernetes API at a time.")
    answer_seconds: float = Field(
        30, gt=0, description="Longest that a client may take to read an answer, in seconds."
    )
    shutdown_seconds: int = Field(
        20, ge=0, description="How long requests under way may take once the program is to end."
    )

    @field_validator("trusted_networks", "proxy_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value
