"""The engines by name: one file says all about one kind of server. Needs nothing but Python's own library."""
