"""A run: its folder, checkpoints, callbacks, curves and processes."""
