"""Whole recordings: read as they stand, asked about picture by picture, and written again with boxes beside them."""
