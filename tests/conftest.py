"""Hypothesis profiles: quick while working, ci where CI is set (reproducible), deep by HYPOTHESIS_PROFILE=deep."""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=50, **COMMON)
settings.register_profile("ci", max_examples=200, derandomize=True, print_blob=True, **COMMON)
settings.register_profile("deep", max_examples=5000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))
