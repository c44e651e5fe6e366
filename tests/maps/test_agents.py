import numpy as np
import pytest
from shapely import Polygon

from forecast.core.agents import AgentType
from forecast.core.crops import CropSpec
from forecast.core.tracks import Tracks
from forecast.data.maps.agent_boxes import TARGET_COLOUR, AgentPainter, box_corners
from forecast.data.maps.scene_image import SceneImage
from forecast.data.maps.sources import PolygonMap

SPEC = CropSpec((("lane",),), 8.0, 8.0, 8.0, 8.0, 1.0)


@pytest.fixture
def tracks():
    """Two agents over four key frames: the target drives +y at 4 m per frame, a pedestrian stands 5 m to its left."""
    positions = [(10.0, 20.0 + 4 * frame) for frame in range(4)] + [(5.0, 28.0)] * 2
    return Tracks(
        scene_names=np.array(["scene"]),
        scene_maps=np.array(["town"]),
        sample_tokens=np.array(list("abcd")),
        sample_time_us=np.arange(4) * 500_000,
        sample_scene=np.zeros(4, np.int32),
        track_tokens=np.array(["car", "walker"]),
        track_categories=np.array(["vehicle.car", "human.pedestrian.adult"]),
        track_types=np.array([AgentType.VEHICLE, AgentType.PEDESTRIAN], np.int8),
        track_scene=np.zeros(2, np.int32),
        first_row=np.array([0, 4, 6]),
        row_sample=np.array([0, 1, 2, 3, 2, 3], np.int32),
        row_position_m=np.array(positions),
        row_heading_rad=np.full(6, np.pi / 2),
        row_size_m=np.tile(np.array([[2.0, 2.0]], np.float32), (6, 1)),
    )


def test_boxes_fade_into_the_past_and_left_is_left(tracks):
    image = AgentPainter(tracks, SPEC)(2)
    assert tuple(image[8, 8]) == TARGET_COLOUR
    assert 0 < image[4, 8, 0] < 255  # 4 m behind, half a second ago
    assert 0 < image[0, 8, 0] < image[4, 8, 0]
    assert image[8, 13].any()  # the pedestrian, 5 m to the left: columns grow left
    assert not image[8, 3].any()


def test_nothing_later_is_drawn(tracks):
    painter = AgentPainter(tracks, SPEC)
    before = painter(2)
    tracks.row_position_m[3] += 3.0
    tracks.row_position_m[5] -= 3.0
    assert np.array_equal(AgentPainter(tracks, SPEC)(2), before)


def test_box_corners_turn_with_the_heading():
    corners = box_corners(np.array([[1.0, 2.0]]), np.array([np.pi / 2]), np.array([[4.0, 2.0]], np.float32))[0]
    assert Polygon(corners).area == pytest.approx(8)
    assert corners.max(0) == pytest.approx([2.0, 4.0])


def test_scene_image_layers_below_agents(tracks):
    road = Polygon([(8, 0), (12, 0), (12, 60), (8, 60)])
    image = SceneImage(tracks, {"town": PolygonMap("town", {"drivable_area": [road]})}, SPEC)(2)
    assert tuple(image[8, 8]) == TARGET_COLOUR
    assert tuple(image[14, 8]) == (255, 255, 255)
    assert not image[14, 2].any()
