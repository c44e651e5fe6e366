"""What driving stacks speak: their logs in, forecasts out, and a monitor of how consistent forecasts are."""

from forecast.stack.drive_monitor import Finding, Monitor
from forecast.stack.thresholds import Thresholds
from forecast.stack.watched import Watched

__all__ = ["Finding", "Monitor", "Thresholds", "Watched"]
