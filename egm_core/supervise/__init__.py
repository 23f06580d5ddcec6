"""Supervision of engine processes: started, watched, and replaced when they die or hang."""
