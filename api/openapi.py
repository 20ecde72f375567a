"""The OpenAPI document's part on each call; bodies are read by us, so it is written out here."""

from typing import Any, Final

RUN: Final[dict[str, Any]] = {}
PARALLEL_RUN: Final[dict[str, Any]] = {}
STOP: Final[dict[str, Any]] = {}
CHECK: Final[dict[str, Any]] = {}
GETLOG: Final[dict[str, Any]] = {}
