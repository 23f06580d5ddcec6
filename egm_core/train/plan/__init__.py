"""The plan of a stage: its data, its memory, its steps, before anything runs."""
