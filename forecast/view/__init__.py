"""The player: scenes and their forecasts as one page, played and asked about in a browser, without a network."""
