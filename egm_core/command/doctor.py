"""`egm doctor`: says what this machine has, and what it lacks for each job, with the remedy.

It runs in a bare Python. Exit status: 0 where the job asked about works, 1 where it lacks something, and 2 for a
call that is wrong.
"""

from __future__ import annotations

import json
import os

from egm_core import notes
from egm_core.arguments import Parser, address
from egm_core.doctor.jobs import judge, names
from egm_core.doctor.machine import look
from egm_core.doctor.report import as_json, text


def main(arguments: list[str] | None = None, prog: str = "egm doctor") -> int:
    """Look, judge and tell; gives the exit status."""
    options = parser(prog).parse_args(arguments)
    notes.begin(options)
    facts = look(os.environ, tuple(options.server), tuple(options.engine_python))
    jobs = judge(facts)
    works = next(job.works for job in jobs if job.name == options.job)
    if options.json:
        print(json.dumps({"asked": options.job, "works": works, **as_json(facts, jobs)}, indent=2))
    else:
        print(text(facts, jobs))
    return 0 if works else 1


def parser(prog: str = "egm doctor") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Say what this machine has, and what it lacks for each job, with the remedy.",
        example="\n--job node --server http://gpu-box:8000",
    )
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON, for a bug report")
    parser.add_argument("--job", choices=names(), default="ground", help="job that decides the exit status")
    parser.add_argument(
        "--server",
        type=address,
        action="append",
        default=[],
        metavar="URL",
        help="further server to ask, http://host:port",
    )
    parser.add_argument(
        "--engine-python",
        action="append",
        default=[],
        metavar="PATH",
        help="further interpreter beside which engines are looked for, such as ~/vllm/bin/python",
    )
    notes.add_options(parser)
    return parser
