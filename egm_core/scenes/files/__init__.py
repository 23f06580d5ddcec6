"""Files of scenes: stores of rendered ones, training samples, clips, contact sheets."""
