"""Language: what can be said of the objects of a scene, and how a model reasons about it."""
