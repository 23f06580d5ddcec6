"""The grounding node: an instruction and camera images in, visible and amodal boxes out."""
