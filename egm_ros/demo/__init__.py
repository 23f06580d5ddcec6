"""The demonstration: a camera, an engine, the grounding node and the overlay as a robot would run them."""
