"""The lifting node: boxes and depth in, boxes in space out."""
