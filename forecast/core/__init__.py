"""What the other rooms share: frames, horizons, batches, forecasts, maps, crops and errors."""
