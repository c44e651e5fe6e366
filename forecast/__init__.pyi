"""What ``forecast`` offers, for type checkers and editors; ``__init__.py`` loads the names when they are used."""

from forecast.core.rows import ForecastRows as ForecastRows
from forecast.core.rows import TruthRows as TruthRows
from forecast.data.cache import open_dataset as open_dataset
from forecast.data.dataset import AgentDataset as AgentDataset
from forecast.eval.forecasts import (
    read_forecasts as read_forecasts,
)
from forecast.eval.forecasts import (
    read_truth as read_truth,
)
from forecast.eval.forecasts import (
    write_forecasts as write_forecasts,
)
from forecast.eval.forecasts import (
    write_truth as write_truth,
)
from forecast.prediction.forecaster import Forecaster as Forecaster
from forecast.prediction.predictor import Predictor as Predictor
from forecast.prediction.scene import AgentTrack as AgentTrack
from forecast.prediction.scene import Scene as Scene
from forecast.scoring.dataset_scores import score_submission as score_submission
from forecast.scoring.settings import Settings as Settings
from forecast.scoring.stream_scores import score_streams as score_streams
from forecast.training.config import load_config as load_config
from forecast.training.run import train as train

__version__: str
