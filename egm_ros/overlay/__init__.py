"""The overlay: images with their boxes drawn."""
