"""How questions reach a teacher: exactly once, within a budget, over servers or by batch files.

`Teacher` is what a command line names, `ask` puts jobs to it, and `arguments` are the options that all verbs share.
"""

from egm_core.curate.teacher.ask import LEDGER, ask
from egm_core.curate.teacher.teacher import Teacher

__all__ = ["LEDGER", "Teacher", "ask"]
