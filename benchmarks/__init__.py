"""The load rig: measures any implementation of the REST API from outside. Run it as `python -m benchmarks`."""
