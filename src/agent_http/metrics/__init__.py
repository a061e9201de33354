"""What is measured, for Prometheus."""

from agent_http.metrics.callbacks import CountedNotifier
from agent_http.metrics.endpoint import metrics

__all__ = ["CountedNotifier", "metrics"]
