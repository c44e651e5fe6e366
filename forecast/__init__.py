"""Context-aware motion forecasting: data, the CAB model, and metrics of accuracy and temporal consistency.

This file imports nothing heavy, so that ``import forecast`` and ``forecast --help`` answer at once.
"""

from pathlib import Path as _Path

__version__ = "0.2.0"

# In a checkout these are relative links to folders at the root; docs/decisions/0001-packages-and-links.md says why.
for _package in ("data", "eval", "configs"):
    if not (_Path(__file__).parent / _package / "__init__.py").is_file():
        raise ImportError(
            f"forecast/{_package} should be a link to ../{_package} and is not; restore it with: "
            f"git config core.symlinks true && git checkout -- forecast/{_package}"
        )
