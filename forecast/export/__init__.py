"""Exports of a trained forecaster to other runtimes."""
