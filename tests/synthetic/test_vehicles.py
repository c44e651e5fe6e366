"""Drivers: their unrest, and where it ends."""

import numpy as np
import pytest

from forecast.data.synthetic import vehicles
from forecast.data.synthetic.vehicles import draw_vehicle


@pytest.mark.parametrize("step_s", [0.25, 0.5])
def test_unrest_is_a_first_order_process_whatever_the_step(step_s: float) -> None:
    rng = np.random.default_rng(0)
    driver, found = draw_vehicle(rng, 0, 0, 0.0), []
    for _ in range(40_000):
        driver.stir(float(rng.normal()), step_s)
        found.append(driver.unrest_mps2)
    unrest = np.array(found)
    assert unrest.std() == pytest.approx(vehicles.UNREST_MPS2, rel=0.05)
    kept = np.corrcoef(unrest[1:], unrest[:-1])[0, 1]
    assert kept == pytest.approx(np.exp(-step_s / vehicles.UNREST_S), abs=0.02)


def test_unrest_neither_starts_who_stands_nor_pushes_who_has_to_keep_a_distance() -> None:
    driver = draw_vehicle(np.random.default_rng(0), 0, 0, 0.0)
    for speed_mps, squeeze in ((0.0, 0.0), (8.0, 1.0), (8.0, 3.0)):
        driver.v_mps = speed_mps
        means = []
        for driver.unrest_mps2 in (0.0, 2.0):
            means.append(driver.acceleration_mps2(10.0, squeeze))
        assert means[0] == means[1]
    driver.v_mps = 8.0
    for driver.unrest_mps2 in (-20.0, 20.0):
        assert -vehicles.HARDEST_MPS2 <= driver.acceleration_mps2(10.0, 0.0) <= driver.push_mps2
