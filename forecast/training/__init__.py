"""Training with Lightning: module, schedules, callbacks, configuration."""
