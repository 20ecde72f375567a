"""A real one-node Kubernetes on this machine, made from Go modules and Debian packages."""
