"""Trained forecasters at work: checkpoints, prediction in the world frame, physics baselines."""
