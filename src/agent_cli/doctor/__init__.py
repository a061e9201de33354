"""`agent-server doctor`: whether this machine is fit for the server, each line with its remedy."""
