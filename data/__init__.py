"""Reads driving data: nuScenes tables, tracks, maps, crops and synthetic towns."""

if __name__ == "data":
    raise ImportError(
        "this folder is imported as forecast.data; a bare 'import data' would shadow other people's packages"
    )
