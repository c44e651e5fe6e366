"""Metrics of accuracy, temporal consistency and use of context, on plain arrays."""

if __name__ == "eval":
    raise ImportError(
        "this folder is imported as forecast.eval; a bare 'import eval' would shadow other people's packages"
    )
