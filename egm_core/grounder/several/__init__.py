"""Every match: how many objects are asked for, what an answer lists, and which amodal box belongs to which object."""
