"""The command `egm`, as `python -m egm_core VERB ...`."""

from egm_core.command.entry import run

if __name__ == "__main__":
    run()
