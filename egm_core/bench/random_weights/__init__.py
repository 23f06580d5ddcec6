"""Models of random weights in the true shapes, measured without a download."""
