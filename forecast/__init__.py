"""Context-aware motion forecasting: data, the CAB model, and metrics of accuracy and temporal consistency.

This file imports nothing heavy, so that ``import forecast`` and ``forecast --help`` answer at once.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a checkout, three rooms are relative links to the folders at the repository's root.
for _room in ("data", "eval", "configs"):
    if not (_Path(__file__).parent / _room / "__init__.py").is_file():
        raise ImportError(
            f"forecast/{_room} should be a link to ../{_room} and is not; restore it with: "
            f"git config core.symlinks true && git checkout -- forecast/{_room}"
        )
