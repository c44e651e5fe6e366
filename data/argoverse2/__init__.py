"""Reads Argoverse 2 motion forecasting scenarios and their maps, without the av2 package."""
