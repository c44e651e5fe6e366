"""Edits of a scene: arms are found, amounts of 0 change nothing, each change does what it says and no more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explain_junction import AT_M, HALF_M, SPEC, crossing, scene
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError
from forecast.explain.arms import find_arms
from forecast.explain.edit_commands import VERBS, parse_edits
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.validity import faults

OTHERS = ((15.0, 0.0, 6.0, 0.0), (-12.0, 0.0, 8.0, 0.0), (10.0, 14.0, 0.0, -5.0))


@pytest.fixture
def editor() -> SceneEditor:
    return SceneEditor(scene(crossing("left", "right", "ahead"), *OTHERS), SPEC, 0.5)


def edited(editor: SceneEditor, sentence: str) -> AgentBatch:
    return editor.changed(parse_edits(sentence, editor))


def pixel(x: float, y: float) -> tuple[int, int]:
    return int(x + SPEC.behind_m), int(y + SPEC.right_m)


@pytest.mark.parametrize(
    ("arms", "names"),
    [
        (("left", "right", "ahead"), {"left_arm", "right_arm", "ahead_arm"}),
        (("left", "right"), {"left_arm", "right_arm"}),
        (("left",), {"left_arm"}),
        (("ahead",), {"ahead_arm"}),
    ],
)
def test_arms_are_found(arms: tuple[str, ...], names: set[str]) -> None:
    found = {arm.name: arm for arm in find_arms(crossing(*arms)[0, 0].numpy(), SPEC)}
    assert set(found) == names
    if "left_arm" in found and len(names) > 1:
        arm = found["left_arm"]
        x, y = arm.fork_m
        assert abs(x - AT_M) < HALF_M
        assert 0 < y < 14
        assert arm.far_end_m[1] > 20
        assert not arm.mask[pixel(0.0, 0.0)]
        assert arm.mask[pixel(AT_M, 20.0)]


def test_no_road_no_arms() -> None:
    assert find_arms(np.zeros((SPEC.height_px, SPEC.width_px), np.float32), SPEC) == ()


def test_two_of_a_kind_are_numbered() -> None:
    crop = crossing("left", "ahead")
    crop[0, 0, 38 + int(SPEC.behind_m) : 44 + int(SPEC.behind_m), int(SPEC.right_m) :] = 1
    names = {arm.name for arm in find_arms(crop[0, 0].numpy(), SPEC)}
    assert {"left_arm", "left_arm_2"} <= names


def test_amounts_of_0_change_nothing(editor: SceneEditor) -> None:
    knobs = editor.knobs(editor.regions)
    same = editor.apply(knobs, torch.zeros(3, len(knobs)))
    for name, tensor in editor.batch.tensors().items():
        assert torch.equal(same.tensors()[name], tensor.expand(3, *tensor.shape[1:])), name


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_amounts_leave_a_batch_that_is_one(data: st.DataObject) -> None:
    """Whatever is turned: shapes, finite numbers, coverage in 0…1, the future and what was not seen untouched."""
    editor = SceneEditor(scene(crossing("left", "right", "ahead"), *OTHERS), SPEC, 0.5)
    knobs = editor.knobs(editor.regions)
    amounts = torch.tensor([[data.draw(st.floats(knob.low, knob.high)) for knob in knobs]])
    batch = editor.apply(knobs, amounts)
    assert batch.crop.shape == editor.batch.crop.shape
    assert 0 <= batch.crop.min() <= batch.crop.max() <= 1 + 1e-6
    assert all(torch.isfinite(tensor).all() for tensor in batch.tensors().values())
    assert torch.equal(batch.future, editor.batch.future)
    assert (batch.neighbours[~batch.neighbours_valid] == 0).all()


def test_rows_do_not_depend_on_each_other(editor: SceneEditor) -> None:
    knobs = editor.knobs(editor.regions)
    amounts = torch.stack([torch.tensor([knob.high * share for knob in knobs]) for share in (0.0, 0.5, 1.0)])
    together = editor.apply(knobs, amounts)
    for row in range(3):
        alone = editor.apply(knobs, amounts[row : row + 1])
        for name, tensor in alone.tensors().items():
            torch.testing.assert_close(together.tensors()[name][row : row + 1], tensor)


def test_a_closed_arm_is_gone_and_the_others_stay(editor: SceneEditor) -> None:
    crop = edited(editor, "close the left arm").crop[0, 0]
    assert crop[pixel(AT_M, 20.0)] == 0
    for x, y in ((AT_M, -20.0), (44.0, 0.0), (0.0, 0.0), (AT_M, 0.0)):
        assert crop[pixel(x, y)] == 1
    assert {arm.name for arm in find_arms(crop.numpy(), SPEC)} == {"right_arm", "ahead_arm"}


def test_a_bent_arm_leads_elsewhere(editor: SceneEditor) -> None:
    crop = edited(editor, "bend the ahead arm by 40 degrees to the left").crop[0, 0]
    before = {arm.name: arm for arm in editor.arms}["ahead_arm"]
    reach = 12.0
    x = before.fork_m[0] + reach * np.cos(np.radians(40))
    y = before.fork_m[1] + reach * np.sin(np.radians(40))
    assert crop[pixel(x, y)] == pytest.approx(1.0)
    assert crop[pixel(44.0, -3.0)] == 0
    assert crop[pixel(AT_M, -20.0)] == 1


def test_an_opened_arm_can_be_found(editor: SceneEditor) -> None:
    only = SceneEditor(scene(crossing("ahead"), *OTHERS), SPEC, 0.5)
    crop = edited(only, "open a right arm 20 m ahead").crop[0, 0].numpy()
    assert {arm.name for arm in find_arms(crop, SPEC)} == {"right_arm", "ahead_arm"}


def test_the_road_is_widened_by_that_much() -> None:
    only = SceneEditor(scene(crossing("ahead")), SPEC, 0.5)

    def width_m(crop: torch.Tensor) -> float:
        return float(crop[0, 0, pixel(35.0, 0.0)[0]].sum()) / SPEC.px_per_m

    assert width_m(only.batch.crop) == 2 * HALF_M
    for sentence, by_m in (("widen the road by 1 m", 2.0), ("narrow the road by 1.5 m", -3.0)):
        assert width_m(edited(only, sentence).crop) == pytest.approx(2 * HALF_M + by_m, abs=0.01)


def test_dividers_move_and_the_road_does_not(editor: SceneEditor) -> None:
    moved = edited(editor, "shift the dividers 3 m to the left").crop[0]
    assert torch.equal(moved[0], editor.batch.crop[0, 0])
    torch.testing.assert_close(moved[1, :, 3:], editor.batch.crop[0, 1, :, :-3])


@pytest.mark.parametrize(
    ("sentence", "slot", "channel", "by"),
    [
        ("move neighbour 1 by 5 m forward", 0, 0, 5.0),
        ("move the car behind by 2 m to the left", 1, 1, 2.0),
        ("move the neighbour 14 m to the left 3 m forward", 2, 1, -3.0),
        ("the car ahead drives 2 m/s slower", 0, 2, -2.0),
        ("the neighbour 12 m behind drives 3 m/s faster", 1, 2, 3.0),
        ("neighbour 1 comes 1.5 s later", 0, 0, -9.0),
    ],
)
def test_neighbours_change_as_told(editor: SceneEditor, sentence: str, slot: int, channel: int, by: float) -> None:
    after = edited(editor, sentence)
    change = (after.neighbours - editor.batch.neighbours)[0]
    assert change[slot, -1, channel] == pytest.approx(by, abs=1e-4)
    others = [other for other in range(len(OTHERS)) if other != slot]
    assert (change[others] == 0).all()
    assert torch.equal(after.crop, editor.batch.crop)
    if "m/s" in sentence:  # where it is now stays, and it came from elsewhere
        assert (change[slot, -1, :2] == 0).all()
        assert change[slot, 0, 0] == pytest.approx(-2.0 * by, abs=1e-4)


def test_gone_stopped_and_put(editor: SceneEditor) -> None:
    gone = edited(editor, "remove all neighbours")
    assert not gone.neighbours_valid.any()
    stopped = edited(editor, "the nearest car stops").neighbours[0, 0]
    assert (stopped[:, 2:4] == 0).all()
    assert (stopped[:, 0] == 15.0).all()
    put = edited(editor, "put a car 9 m ahead and 3.5 m to the right")
    assert put.neighbours[0, -1, :, :2].tolist() == [[9.0, -3.5]] * 5
    assert put.neighbours_valid[0, -1].all()


def test_a_car_is_no_pedestrian(editor: SceneEditor) -> None:
    types = editor.batch.neighbour_types.clone()
    types[0, editor.slots[0]] = AgentType.PEDESTRIAN
    walked = SceneEditor(replace(editor.batch, neighbour_types=types), SPEC, 0.5)
    cars, everybody = parse_edits("remove all cars", walked), parse_edits("remove all neighbours", walked)
    assert len(cars) == len(everybody) - 1
    assert "neighbour:1" not in {knob.region for knob, _ in cars}
    assert parse_edits("the nearest car stops", walked)[0][0].region == "neighbour:2"
    types[0, editor.slots] = AgentType.PEDESTRIAN
    with pytest.raises(ConfigError, match="the scene has no cars"):
        parse_edits("remove all cars", SceneEditor(replace(editor.batch, neighbour_types=types), SPEC, 0.5))


def test_the_own_past_is_that_of_a_unicycle(editor: SceneEditor) -> None:
    knobs = editor.knobs(["own"])
    after = editor.apply(knobs, torch.tensor([[0.2, 0.05]])).history[0]
    ago = 0.5 * torch.arange(-4, 1)
    torch.testing.assert_close(after[:, 0], 8.2 * ago)
    torch.testing.assert_close(after[:, 6], 0.05 * ago)
    torch.testing.assert_close(after[:, 1], 8.2 * 0.05 * ago**2 / 2)
    assert (after[-1, :2] == 0).all()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_s_example_changes_the_scene(verb, editor: SceneEditor) -> None:
    after = edited(editor, verb.example)
    before = editor.batch.tensors()
    assert any(
        tensor.shape != before[name].shape or not torch.equal(tensor, before[name])
        for name, tensor in after.tensors().items()
    )


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("close the door", "understood the verb, not the rest; it goes like 'close the left arm'"),
        ("let there be light", "the grammar knows 'close the left arm', 'bend"),
        ("remove neighbour 9", "no neighbour 9: known: 1, 2, 3"),
        ("close the left arm 2", "no region is called 'left_arm_2'"),
        (" ; ", "says nothing"),
        ("close the left arm; dance", "--edit 'dance'"),
    ],
)
def test_what_is_not_understood_is_refused(editor: SceneEditor, sentence: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_edits(sentence, editor)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@given(text=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_edit_or_one_line(text: str) -> None:
    editor = SceneEditor(scene(crossing("left", "ahead"), *OTHERS), SPEC, 0.5)
    try:
        changes = parse_edits(text, editor)
    except ConfigError:
        return
    assert changes


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("close the left arm", ""),
        ("put a car 20 m ahead and 3.5 m to the left", ""),
        ("put a car 2 m ahead", "two agents overlap"),
        ("the car ahead drives 9 m/s slower", "a speed or a turn cannot be driven"),
        ("close the left arm; close the right arm; close the ahead arm", "no way on is left"),
        ("narrow the road by 3.9 m", "the agent is off the road"),
    ],
)
def test_what_is_possible(editor: SceneEditor, sentence: str, fault: str) -> None:
    assert faults(editor.batch, edited(editor, sentence), SPEC) == [fault]


def test_the_table_of_verbs_in_the_docs_is_the_grammar() -> None:
    page = (Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8")
    for verb in VERBS:
        assert f"| `{verb.example}` | {verb.what} |" in page
