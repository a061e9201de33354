"""`agent-server demo`: one job on the real server, from POST /jobs to the verified callback, on this machine alone."""
