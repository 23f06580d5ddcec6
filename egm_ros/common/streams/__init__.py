"""Input topics: their stamps, their silence, and one way to follow several."""
