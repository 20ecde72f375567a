"""The program inside a task's pod: runs Ansible and writes frames."""
