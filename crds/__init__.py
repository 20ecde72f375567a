"""The contract: everything that the API, the controller and the runner must agree on."""
