"""`python -m agent_http`: the server alone."""

import os
import sys

from agent_http.own_imports import own_imports

with own_imports():
    from agent_http.server import serve

sys.exit(serve(os.environ))
