"""The commands of `egm evaluate` about generated scenes, and about the results that they stored."""
