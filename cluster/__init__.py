"""A real Kubernetes on this machine, made from Go modules and Debian packages."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence, before anything newer is used
    sys.exit(f"octans: Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
