"""Measures forecasts against what happened: join, match, score, merge, compare."""
