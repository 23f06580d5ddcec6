"""What `egm ground` is made of: the model that it asks, and its form for whole recordings."""
