"""What the node says: on ~/status, on /diagnostics, and in the terminal."""
