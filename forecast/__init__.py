"""Context-aware motion forecasting: data, the CAB model, and metrics of accuracy and temporal consistency.

Where to start:

* forecast a scene of your own: ``Forecaster.load("town").forecast(Scene.of(...))``
* score forecasts of any model: ``score_streams(forecasts, truth).as_json()``, of files or data frames; forecasts of a
  data set: ``score_submission``
* train: ``train(load_config("gain", settings={"data.dataroot": ...}), out)``, then ``Predictor.load(out)``
* read a data set: ``open_dataset(folder)``, or batches of it: ``AgentDataset``

``help(forecast.Forecaster)`` and so on tell more; ``forecast --help`` lists the commands. Names are loaded when they
are first used: this file imports nothing heavy, so that ``import forecast`` and ``forecast --help`` answer at once.
"""

from importlib import import_module as _import_module
from pathlib import Path as _Path

__version__ = "0.2.0"

#: Public name → where it lies; ``__init__.pyi`` says the same to type checkers.
_PUBLIC = {
    "AgentDataset": "forecast.data.dataset",
    "AgentTrack": "forecast.prediction.scene",
    "ForecastRows": "forecast.core.rows",
    "Forecaster": "forecast.prediction.forecaster",
    "Predictor": "forecast.prediction.predictor",
    "Scene": "forecast.prediction.scene",
    "Settings": "forecast.scoring.settings",
    "TruthRows": "forecast.core.rows",
    "load_config": "forecast.training.config",
    "open_dataset": "forecast.data.cache",
    "read_forecasts": "forecast.eval.forecasts",
    "read_truth": "forecast.eval.forecasts",
    "score_streams": "forecast.scoring.stream_scores",
    "score_submission": "forecast.scoring.dataset_scores",
    "train": "forecast.training.run",
    "write_forecasts": "forecast.eval.forecasts",
    "write_truth": "forecast.eval.forecasts",
}
__all__ = ["__version__", *_PUBLIC]

# In a checkout these are relative links to folders at the root; docs/decisions/0001-packages-and-links.md says why.
for _package in ("data", "eval", "configs"):
    if not (_Path(__file__).parent / _package / "__init__.py").is_file():
        raise ImportError(
            f"forecast/{_package} should be a link to ../{_package} and is not; restore it with: "
            f"git config core.symlinks true && git checkout -- forecast/{_package}"
        )


def __getattr__(name: str) -> object:
    """A public name, loaded when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'forecast' has no attribute {name!r}")
    found: object = getattr(_import_module(_PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, whether or not they are loaded, and the packages that are."""
    return sorted({*_PUBLIC, *(name for name in globals() if not name.startswith("_") or name.startswith("__"))})
