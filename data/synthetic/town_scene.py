"""One scene of a town while it is simulated: its city, its traffic and its people, from key frame to key frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from forecast.data.synthetic.crossings import Gates
from forecast.data.synthetic.nuscenes_writer import CITIES, STEP_US
from forecast.data.synthetic.pedestrians import Pavement, Pedestrians
from forecast.data.synthetic.road_network import build_network
from forecast.data.synthetic.roads import RoadNetwork
from forecast.data.synthetic.surfaces import Surfaces, build_surfaces
from forecast.data.synthetic.traffic import STEP_S, Traffic

#: Traffic settles for so long before key frame 0.
_WARM_UP_S = 25.0
#: Steps of the traffic between two key frames.
TICKS = round(STEP_US / 1e6 / STEP_S)


@dataclass(frozen=True)
class City:
    """One city's streets and surfaces."""

    name: str
    network: RoadNetwork
    surfaces: Surfaces

    @cached_property
    def pavement(self) -> Pavement:
        """Where people walk."""
        return Pavement(self.surfaces)


@dataclass(frozen=True)
class Mood:
    """How busy a scene is.

    Attributes:
        spacing_m: metres of lane a vehicle, on side streets and on main roads.
        walkway_m: metres of walkway a pedestrian.
        kerb, lots: occupied share of the parking strips and of the car parks.
    """

    spacing_m: tuple[float, float]
    walkway_m: float
    kerb: float
    lots: float


def _draw_mood(rng: np.random.Generator) -> Mood:
    busy = float(np.exp(rng.uniform(-0.4, 0.4)))
    side, main = 130.0 / busy, 150.0 / busy
    return Mood((side, main), float(np.exp(rng.normal(2.8, 1.3))), rng.uniform(0.25, 0.95), rng.uniform(0.2, 0.95))


@lru_cache(maxsize=len(CITIES))
def build_city(seed: int, name: str) -> City:
    """Draw a city's streets; right-hand traffic in Boston, left-hand in Singapore."""
    key = np.random.SeedSequence([seed, 1, CITIES.index(name)])
    network = build_network(key, drive_right=name.startswith("boston"))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3, CITIES.index(name)]))
    return City(name, network, build_surfaces(network, rng))


class TownScene:
    """A scene that is driven on from key frame to key frame. It begins before key frame 0, at rest.

    Args:
        seed: the world's seed.
        number: which scene of the world; it chooses the city and the random stream.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.city = build_city(seed, CITIES[number % len(CITIES)])
        #: Of all that the scene leaves to chance.
        self.rng = np.random.default_rng(np.random.SeedSequence([seed, 2, number]))
        self.mood = _draw_mood(self.rng)
        network = self.city.network
        self.traffic = Traffic(
            network, Gates(network, self.city.surfaces.crossings), self.rng, spacing_m=self.mood.spacing_m
        )
        self.people = Pedestrians(self.city.pavement, self.rng, spacing_m=self.mood.walkway_m)
        self._ticks = 0

    def tick(self) -> None:
        """Move everything by one step of the traffic."""
        self.people.advance(self.traffic)
        self.traffic.step()
        self._ticks += 1

    def go_to(self, frame: int) -> None:
        """Simulate up to a key frame, from 0, that lies ahead or is now."""
        while self._ticks < round(_WARM_UP_S / STEP_S) + TICKS * frame:
            self.tick()
