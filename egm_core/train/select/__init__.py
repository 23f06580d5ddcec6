"""Selection: score what a model answers, and keep what it can learn from."""
