"""Everything else, on a real API server and real pods."""
