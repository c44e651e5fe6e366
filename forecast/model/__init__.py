"""The CAB forecaster and its rivals: encoders, latent, decoder, objectives."""
