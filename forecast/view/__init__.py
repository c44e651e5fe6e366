"""The player: scenes and their forecasts as one page that is played, scrubbed and asked in a browser, without network."""
