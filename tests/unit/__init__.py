"""Pure tests: no network, no cluster."""
