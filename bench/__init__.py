"""What Octans adds to a bare Job that runs the same ansible-playbook on the same cluster."""
