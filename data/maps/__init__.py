"""Map layers as geometry, and raster crops of them."""
