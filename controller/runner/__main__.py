"""`python -m controller.runner`: what a task's pod runs. Frames go to standard output."""

import signal

# First of all: a SIGTERM that comes while the rest is imported waits until run.main can hear it.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from controller.runner import run  # noqa: E402
from controller.runner.emit import Out  # noqa: E402
from controller.runner.paths import Paths  # noqa: E402


def main() -> None:
    """Take standard output away from everything else, then run this pod's slice."""
    # Tests run it in a folder of their own: `python -m controller.runner FOLDER`.
    paths = Paths(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("/"))
    stream = os.dup(1)  # closed in children, as all that Python opens
    os.dup2(2, 1)
    termination = os.open(paths.termination, os.O_WRONLY | os.O_CREAT, 0o600)
    index = int(os.environ.get("JOB_COMPLETION_INDEX", "0"))
    sys.exit(run.main(paths, index, Out(stream, termination)))


if __name__ == "__main__":
    main()
