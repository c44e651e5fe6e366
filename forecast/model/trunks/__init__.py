"""Map trunks: from a crop of the map to a grid of features, one file a kind."""
