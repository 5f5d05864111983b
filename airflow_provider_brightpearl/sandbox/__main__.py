"""`python -m airflow_provider_brightpearl.sandbox`, also run by `brightpearl sandbox`."""

from __future__ import annotations

import sys

from .cli import app

if __name__ == "__main__":
    # run by `brightpearl sandbox`, the program has this name; otherwise Click finds it
    program = "brightpearl sandbox"
    app(prog_name=program if sys.argv[0] == program else None)
