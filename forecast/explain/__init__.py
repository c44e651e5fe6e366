"""What drives a forecast: attribution to map cells, neighbours and past."""
