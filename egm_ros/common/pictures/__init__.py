"""Image messages: made, decoded by the core with a cv_bridge where there is one, and advice on what they cost."""
