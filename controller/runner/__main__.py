"""`python -m controller.runner`: what a task's pod runs. Frames go to standard output."""

import os
import sys
from pathlib import Path

from controller.runner import run
from controller.runner.emit import Out
from controller.runner.paths import Paths


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
