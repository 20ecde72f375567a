"""Tests: unit/ needs nothing, cluster/ needs a real Kubernetes cluster."""
