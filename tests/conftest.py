"""Makes the helpers of this directory, like example_spaces, importable in every test."""
