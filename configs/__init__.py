"""The named YAML configurations that ship with the package."""

if __name__ == "configs":
    raise ImportError(
        "this folder is imported as forecast.configs; a bare 'import configs' would shadow other people's packages"
    )
