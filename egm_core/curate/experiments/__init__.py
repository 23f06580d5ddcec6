"""Checks of a teacher's traces by asking once more: with another colour, and without the picture."""
