"""Pictures of forecasts: stills, animations, recordings, and the curves of a report."""
