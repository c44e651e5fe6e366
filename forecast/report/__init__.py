"""Joins forecasts with truth, scores them and draws what happened."""
