"""Starts the program by its path: `python -I` leaves the directory of a script, and what is beside it, out."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # Under its full name the packages around it would be loaded too, and all that they need.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(importlib.import_module("agent_script.program").main())
