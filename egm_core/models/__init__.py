"""Model folders: what a model was trained for, how it is spoken to, and what its scores mean."""
