"""Checks of a trace by its words and by what is known of its sample."""
