"""Queries of the engine: whose image is next, and who asks."""
