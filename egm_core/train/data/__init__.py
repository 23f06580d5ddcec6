"""Training data: checked, shown, and held out."""
