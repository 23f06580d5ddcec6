"""The join by stamp, which lives in egm_core: it needs no ROS."""

from egm_core.joining import Answer, Join, Stamp, box_of, stamp_of

__all__ = ["Answer", "Join", "Stamp", "box_of", "stamp_of"]
