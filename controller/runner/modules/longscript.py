#!/usr/bin/python
"""Ansible module: runs a script of any length."""

# It runs on the machines, whose Python may be 2.7; hence nothing of today's style.
# ruff: noqa
# mypy: ignore-errors

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: longscript
short_description: Run a script of any length on the machine
description:
  - Writes the script to a file that only its user can read, runs it, and removes the file whatever
    happens. No quoting is needed and no length limit of a command line applies.
  - In check mode nothing is run.
options:
  content:
    description:
      - The script. Where every line ends in CRLF, as a browser sends text, it is run with LF.
      - It is run by what its first line names (C(#!/usr/bin/env python3)); without such
        a line by C(/bin/bash), where there is none by C(/bin/sh).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Rotate the logs
  longscript:
    content: |
      set -eu
      for file in /var/log/app/*.log; do mv "$file" "$file.1"; done
"""

RETURN = r"""
rc: {description: The script's return code., type: int, returned: always}
stdout: {description: Its output., type: str, returned: always}
stderr: {description: Its error output., type: str, returned: always}
start: {description: When it started., type: str, returned: always}
end: {description: When it ended., type: str, returned: always}
delta: {description: How long it took., type: str, returned: always}
msg: {description: What went wrong., type: str, returned: when the return code is not 0}
"""

import datetime
import errno
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes


def interpreter(content, exists=os.path.exists):
    """The command that a script is given to, as the kernel reads a `#!` line."""
    first = content.split("\n", 1)[0].strip()
    words = first[2:].strip().split(None, 1) if first.startswith("#!") else []
    if words:
        return words
    return ["/bin/bash"] if exists("/bin/bash") else ["/bin/sh"]


def unix_lines(content):
    """The script with LF line ends, where each of its lines ends in CRLF: a browser's text area."""
    if content.count("\r\n") == content.count("\n"):
        return content.replace("\r\n", "\n")
    return content


def run(module, content):
    """Run the script; gives rc, stdout and stderr."""
    handle, path = tempfile.mkstemp(prefix="longscript-", dir=module.tmpdir)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as script:
            script.write(to_bytes(content, errors="surrogate_or_strict"))
        # Not by the file itself: its folder may be mounted noexec.
        return module.run_command(interpreter(content) + [path], handle_exceptions=False)
    except OSError as error:  # as a shell tells it
        return (127 if error.errno == errno.ENOENT else 126), "", str(error)
    finally:
        os.remove(path)


def main():
    """Answer in the form of Ansible's `command`."""
    module = AnsibleModule(
        argument_spec={"content": {"type": "str", "required": True}}, supports_check_mode=True
    )
    content = unix_lines(module.params["content"])
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, msg="not run in check mode")
    start = datetime.datetime.now()
    rc, stdout, stderr = run(module, content)
    end = datetime.datetime.now()
    result = {
        "changed": True, "rc": rc, "stdout": stdout.rstrip("\r\n"), "stderr": stderr.rstrip("\r\n"),
        "start": str(start), "end": str(end), "delta": str(end - start),
    }  # fmt: skip
    if rc != 0:
        said = "run script error, error: script return code %d, error: %s" % (rc, result["stderr"])
        module.fail_json(msg=said, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
