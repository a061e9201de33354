"""`agent-server service`: the server under launchd or systemd."""
