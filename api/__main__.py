"""`python -m api`: serve until SIGTERM, then finish what is under way."""

import gc
from types import FrameType

import uvicorn

from api import app
from api.connections import Connection
from api.settings import Settings
from crds import environment, logs


class _Server(uvicorn.Server):
    """Tells those who wait for a task's end that the program is to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        front = getattr(self.config.loaded_app.inner.state, "front", None)
        if front is not None:
            front.stopping.set()
        super().handle_exit(sig, frame)


def main() -> None:
    """Run the server."""
    environment.allow_deep_json()
    settings = environment.load(Settings)
    logs.configure(settings.log_level)
    config = uvicorn.Config(
        app.wrapped(app.create(settings), settings),
        host=settings.host, port=settings.port, loop="uvloop", http=Connection, ws="none",
        log_config=None, access_log=False, proxy_headers=False, server_header=False,
        lifespan="on", backlog=2048, timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )  # fmt: skip
    _spare_the_collector()
    _Server(config).run()


def _spare_the_collector() -> None:
    """Search for garbage seldom, and never among what was imported: a tenth of a request's time.

    What a request makes goes with its last reference; few things of it refer to one another.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


if __name__ == "__main__":
    main()
