"""What schemathesis is told for `test_openapi`."""
