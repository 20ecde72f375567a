"""The HTTP front: turns requests into AnsibleTasks and AnsibleTasks into answers."""

VERSION = "0.1.0"
"""As in pyproject.toml."""
