"""EGM grounding without ROS: boxes, model families, engines, scenes, training and evaluation."""

__version__ = "0.2.0.dev0"
