"""What the cluster tests stand on: the installation, its processes, machines, calls, evidence."""
