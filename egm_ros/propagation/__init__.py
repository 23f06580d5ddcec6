"""The propagation node: boxes of answers, carried to the newest image."""
