"""The HTTP front: turns requests into AnsibleTasks and AnsibleTasks into answers."""
