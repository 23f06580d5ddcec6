"""Carries boxes from the picture that they were asked for to the newest one, by the motion of what is in them.

track = begin(frames[0], visible, amodal, score)
track = propagate(track, frames[1:])
track.visible, track.amodal, track.score, track.lost
"""

from egm_core.propagation.frames import FrameBuffer, SmallFrame, shrink
from egm_core.propagation.track import Limits, Track, advance, begin, propagate

__all__ = ["FrameBuffer", "Limits", "SmallFrame", "Track", "advance", "begin", "propagate", "shrink"]
