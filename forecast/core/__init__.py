"""What the other packages share: frames, horizons, batches, forecasts, maps, crops and errors."""
