"""What the paper prints: its tables as data, each value as it stands there, None where the text lost it."""
