"""The commands of `egm evaluate` about when a model should think: `gate` and `front`."""
