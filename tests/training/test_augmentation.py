"""Changes of training inputs: mirrored rows, shifts, borders of windows, and mixtures."""

import numpy as np
import pytest
import torch
from torch import Tensor

from microfacial.models.inputs import APEX_OFFSET
from microfacial.records import ONSET_APEX, PHASE_WINDOWS
from microfacial.training.augmentation import (
    InputLayout,
    augment,
    flip_rows,
    mix,
    move_borders,
    numbers_per_row,
    shift,
)
from networks import TinySettings

MOTION = InputLayout(shows="motion")
ALL_CHANGES = {"flip": True, "shift_px": 2, "window_jitter": 0.3, "mixup_alpha": 0.4}


def maps(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layout", [MOTION, InputLayout(shows="motion", mirror=(2, 1, 0))])
def test_only_the_chosen_rows_are_mirrored_and_mirroring_twice_changes_nothing(layout: InputLayout) -> None:
    inputs = maps(2, 3, 3, 3, 4, 5)
    chosen = torch.tensor([[True, False, True], [False, False, True]])
    flipped = flip_rows(inputs, chosen, layout)
    assert torch.equal(flipped[~chosen], inputs[~chosen])
    assert torch.equal(flip_rows(flipped, chosen, layout), inputs)
    assert not torch.equal(flipped[chosen], inputs[chosen])


def test_a_shift_equals_padding_with_edge_pixels_in_numpy() -> None:
    inputs = maps(2, 2, 4, 3, 6, 5)
    moves = torch.tensor([[[2, -1], [0, 0]], [[-2, 2], [1, 1]]])
    moved = shift(inputs, moves)
    for lane, row in np.ndindex(2, 2):
        down, right = moves[lane, row].tolist()
        padded = np.pad(inputs[lane, row].numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
        expected = padded[:, :, 2 - down : 8 - down, 2 - right : 7 - right]
        assert np.array_equal(moved[lane, row].numpy(), expected)


def positions(windows: tuple[str, ...]) -> Tensor:
    """Motion over windows of a face that moves by 1, 10, −3 and −5 px in the four phase windows."""
    speeds = dict(zip(PHASE_WINDOWS, (1.0, 10.0, -3.0, -5.0), strict=True))
    sums = {ONSET_APEX: PHASE_WINDOWS[:2], APEX_OFFSET: PHASE_WINDOWS[2:]}
    values = [sum(speeds[part] for part in sums.get(window, (window,))) for window in windows]
    return torch.tensor(values).view(1, 1, -1, 1, 1, 1, 1)


def moved(windows: tuple[str, ...], *shares: float) -> list[float]:
    layout = InputLayout(shows="motion", windows=windows)
    values: list[float] = move_borders(positions(windows), torch.tensor([[shares]]), layout).flatten().tolist()
    return values


def test_a_later_border_moves_motion_to_the_window_before_it() -> None:
    """If the first border is later by 0.2 of the second window, the motions are 1 + 0.2·10 and 10 − 0.2·10."""
    assert moved(PHASE_WINDOWS, 0.2, 0, 0) == pytest.approx([3, 8, -3, -5])
    assert moved(PHASE_WINDOWS, -0.2, 0, 0) == pytest.approx([0.8, 10.2, -3, -5])
    assert moved(PHASE_WINDOWS, 0.2, -0.1, 0.5) == pytest.approx([3, 10 - 2 - 1, -3 + 1 - 2.5, -5 + 2.5])


def test_onset_to_apex_remains_the_sum_of_its_parts() -> None:
    values = moved((ONSET_APEX, *PHASE_WINDOWS), 0.4, -0.3, 0.2)
    assert values[0] == pytest.approx(values[1] + values[2])
    assert values[0] == pytest.approx(11 - 0.3 * 10)
    assert moved((ONSET_APEX, APEX_OFFSET), 0.25) == pytest.approx([11 - 2, -8 + 2])
    assert moved((ONSET_APEX, APEX_OFFSET), -0.25) == pytest.approx([11 - 2.75, -8 + 2.75])


@pytest.mark.parametrize("windows", [(), (ONSET_APEX,)])
def test_onset_to_apex_without_other_windows_is_shortened(windows: tuple[str, ...]) -> None:
    inputs = maps(1, 2, 3, 4, 4)
    cut = move_borders(inputs, torch.tensor([[[0.3], [-0.4]]]), InputLayout(shows="motion", windows=windows))
    assert torch.allclose(cut[0, 0], inputs[0, 0] * 0.7)
    assert torch.allclose(cut[0, 1], inputs[0, 1] * 0.6)


def test_a_mixture_has_a_share_of_its_row_and_the_rest_of_the_previous_row() -> None:
    inputs, targets = maps(1, 3, 2, 4, 4), torch.eye(3)[None]
    mixed, shares = mix(inputs, targets, torch.tensor([[1.0, 0.25, 0.5]]))
    assert torch.equal(mixed[0, 0], inputs[0, 0])
    assert torch.allclose(mixed[0, 1], 0.25 * inputs[0, 1] + 0.75 * inputs[0, 0])
    assert shares[0, 1].tolist() == [0.75, 0.25, 0]


def test_shares_of_mixtures_follow_a_beta_distribution() -> None:
    """The mean of Beta(α, α) is ½ and its variance is 1 / (8α + 4)."""
    inputs, targets = torch.zeros(1, 4000, 1, 1, 1), torch.zeros(1, 4000, 1)
    targets[0, ::2] = 1  # the share is λ in even rows and 1 − λ in odd rows
    uniform = torch.rand(1, 4000, 1, generator=torch.Generator().manual_seed(0))
    shares = augment(inputs, targets, uniform, TinySettings(mixup_alpha=0.4), MOTION)[1]
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / 7.2, rel=0.05)


def test_without_any_option_no_numbers_are_needed_and_nothing_changes() -> None:
    inputs, targets = maps(1, 2, 3, 4, 4), torch.eye(2)[None]
    assert numbers_per_row(TinySettings(), MOTION) == 0
    same = augment(inputs, targets, torch.empty(1, 2, 0), TinySettings(), MOTION)
    assert same[0] is inputs
    assert same[1] is targets


def test_a_flip_needs_one_number_a_shift_two_each_border_one_and_a_mixture_one() -> None:
    settings = TinySettings.model_validate(ALL_CHANGES)
    assert numbers_per_row(settings, MOTION) == 1 + 2 + 1 + 1
    assert numbers_per_row(settings, InputLayout(shows="motion", windows=(ONSET_APEX, *PHASE_WINDOWS))) == 1 + 2 + 3 + 1
    assert numbers_per_row(settings, InputLayout(shows="appearance")) == 1 + 2 + 0 + 1  # appearance has no windows


def test_a_lane_is_augmented_like_the_lane_alone() -> None:
    settings = TinySettings.model_validate(ALL_CHANGES)
    layout = InputLayout(shows="motion", windows=(ONSET_APEX, *PHASE_WINDOWS), mirror=(1, 0))
    inputs, targets = maps(2, 6, 5, 2, 3, 8, 8), torch.eye(6)[None].repeat(2, 1, 1)
    uniform = torch.rand(2, 6, numbers_per_row(settings, layout), generator=torch.Generator().manual_seed(1))
    both = augment(inputs, targets, uniform, settings, layout)
    alone = augment(inputs[1:], targets[1:], uniform[1:], settings, layout)
    assert torch.equal(both[1][1], alone[1][0])
    assert torch.allclose(both[0][1], alone[0][0], atol=1e-6)
    assert not torch.allclose(both[0], inputs)


def test_shifts_reach_the_largest_distance_in_both_directions() -> None:
    face = torch.zeros(1, 2, 1, 5, 5)
    face[..., 2, 2] = 1
    uniform = torch.tensor([[[0.0, 0.999999], [0.999999, 0.0]]])
    moved = augment(face, torch.eye(2)[None], uniform, TinySettings(shift_px=2), MOTION)[0]
    assert moved[0, 0, 0].nonzero().tolist() == [[0, 4]]
    assert moved[0, 1, 0].nonzero().tolist() == [[4, 0]]
