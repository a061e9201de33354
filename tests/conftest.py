"""Hypothesis profiles: quick while working, ci where CI is set (reproducible), deep by HYPOTHESIS_PROFILE=deep.

The stand-ins' `python3` is the Python that runs the tests: another version's switch would take longer than they do.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("quick", COMMON, max_examples=50)
settings.register_profile("ci", COMMON, max_examples=200, derandomize=True, print_blob=True)
settings.register_profile("deep", COMMON, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
