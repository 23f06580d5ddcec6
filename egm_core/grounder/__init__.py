"""The grounder: one picture and one instruction in, a visible and an amodal box out."""

from egm_core.grounder.grounder import Grounder
from egm_core.grounder.grounding import Found, Grounding

__all__ = ["Found", "Grounder", "Grounding"]
