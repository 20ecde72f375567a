"""The program in the pod, run for real: as a process of this machine against a real sshd."""
