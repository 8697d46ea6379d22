"""How far is each method's flow from the truth? Known motions of photographs that no setting was tuned on.

    python benchmarks/warps.py [--contrib-python PYTHON]

Six crops of photographs times eight motions like action units, .3–3 px strong, in five conditions; then a head that
drifts. opencv-contrib-python would replace this project's OpenCV, so its TV-L1 runs in an environment of its own: a
throw-away one, made here, unless one is named. Prints Markdown; EPE is the end-point error in px over the frame / over
the moving part. Intervals are 95 % percentiles of a bootstrap over pairs.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.flow import FlowConfig, HeadMotion, facial_flow, prepare
from microfacial.preprocessing.opencv_flow import Tvl1Settings, VariationalSettings
from scenes import (
    ACTION_UNITS,
    AMPLITUDES_PX,
    CONDITIONS,
    EDGE_PX,
    HELD_OUT,
    Pair,
    degrade,
    facial_motion,
    facial_pairs,
    in_plane,
    out_of_plane,
    render,
)

Errors = NDArray[np.float64]  # (N, 2): mean over the frame, mean over the moving part, px
DRAWS = 10_000
BATCH = 8  # pairs that TV-L1 takes at once
DEFAULT, CONTRIB, TUNED = "variational (default)", "TV-L1, opencv-contrib", "TV-L1, opencv-contrib, tuned"
LITERATURE = {"lambda_": 0.15, "scales": 5}
FLAT = FlowConfig(head_motion="off", blur_sigma_px=None)
METHODS: Mapping[str, FlowConfig] = {
    DEFAULT: FlowConfig(head_motion="off"),
    "variational, cheap": FlowConfig(
        head_motion="off",
        variational=VariationalSettings(alpha=20.0, alpha_step=1.6, fixed_point_iterations=3, sor_iterations=5),
    ),
    "dis": FlowConfig(head_motion="off", method="dis"),
    "farneback": FlowConfig(head_motion="off", method="farneback"),
    "tvl1": FlowConfig(head_motion="off", method="tvl1"),
    "tvl1, as contrib": FlowConfig(
        head_motion="off",
        method="tvl1",
        highpass_sigma_px=None,
        blur_sigma_px=None,
        tvl1=Tvl1Settings.model_validate(LITERATURE),
    ),
    "tvl1, as contrib, tuned": FlowConfig(head_motion="off", method="tvl1", blur_sigma_px=None),
}


def score(pairs: Sequence[Pair], flows: Sequence[NDArray[np.float32]]) -> Errors:
    """End-point errors of flows `(H, W, 2)`."""
    inner = slice(EDGE_PX, -EDGE_PX)
    rows = []
    for pair, flow in zip(pairs, flows, strict=True):
        error = np.hypot(*(flow.transpose(2, 0, 1) - pair.truth))
        rows.append((error[inner, inner].mean(), error[pair.active].mean()))
    return np.array(rows)


def still(pairs: Sequence[Pair]) -> list[NDArray[np.float32]]:
    """No motion at all: what every method must beat."""
    return [np.zeros((*pair.truth.shape[1:], 2), np.float32) for pair in pairs]


def measure(pairs: Sequence[Pair], config: FlowConfig) -> list[NDArray[np.float32]]:
    """Flow of every pair by the package."""
    prepared = [(prepare(pair.first, config), prepare(pair.last, config)) for pair in pairs]
    chunks = (prepared[start : start + BATCH] for start in range(0, len(pairs), BATCH))
    return [flow for chunk in chunks for flow in facial_flow(chunk, config)]


def make_environment(folder: Path) -> Path:
    """The Python of a fresh environment with opencv-contrib-python of the version in use here."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = [f"opencv-contrib-python=={version('opencv-python')}", f"numpy=={version('numpy')}"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def measure_contrib(pairs: Sequence[Pair], python: Path, scratch: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Flow of every pair by opencv-contrib's TV-L1: as it comes, and tuned on high-passed frames."""
    raw = [[cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (pair.first, pair.last)] for pair in pairs]
    flat = [[prepare(frame, FLAT) for frame in (pair.first, pair.last)] for pair in pairs]
    np.savez(scratch / "pairs.npz", raw=np.array(raw), flat=np.array(flat))
    script = Path(__file__).with_name("contrib_tvl1.py")
    subprocess.run([str(python), str(script), str(scratch / "pairs.npz"), str(scratch / "flows.npz")], check=True)
    with np.load(scratch / "flows.npz") as flows:
        return {CONTRIB: list(flows["default"]), TUNED: list(flows["tuned"])}


def compare_methods(python: Path, scratch: Path) -> dict[str, dict[str, Errors]]:
    """Errors by condition and method."""
    clean = facial_pairs(HELD_OUT)
    errors: dict[str, dict[str, Errors]] = {}
    for condition in CONDITIONS:
        pairs = [degrade(pair, condition, np.random.default_rng(seed)) for seed, pair in enumerate(clean)]
        flows = {"no motion": still(pairs)}
        flows |= {name: measure(pairs, config) for name, config in METHODS.items()}
        flows |= measure_contrib(pairs, python, scratch)
        errors[condition] = {name: score(pairs, found) for name, found in flows.items()}
    return errors


def interval(differences: NDArray[np.float64]) -> str:
    """Mean of paired differences, with its bootstrap interval."""
    random = np.random.default_rng(0)
    means = differences[random.integers(0, len(differences), (DRAWS, len(differences)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, ["---"] * len(heading), *rows))


def error_table(errors: dict[str, dict[str, Errors]]) -> str:
    """Mean EPE over the frame / the moving part, a row a method."""
    names = next(iter(errors.values()))
    rows = [
        [name, *("{:.3f}/{:.3f}".format(*errors[condition][name].mean(axis=0)) for condition in errors)]
        for name in names
    ]
    return table(["EPE, frame/moving", *errors], rows)


def difference_table(errors: dict[str, dict[str, Errors]]) -> str:
    """The default less each rival, and our TV-L1 less theirs, pair by pair."""
    compared = [
        (DEFAULT, CONTRIB),
        (DEFAULT, TUNED),
        (DEFAULT, "tvl1"),
        ("tvl1, as contrib", CONTRIB),
        ("tvl1, as contrib, tuned", TUNED),
    ]
    rows = [
        [f"{ours} − {theirs}, {part}", *(interval((of[ours] - of[theirs])[:, column]) for of in errors.values())]
        for ours, theirs in compared
        for column, part in enumerate(("frame", "moving"))
    ]
    return table(["difference of EPE", *errors], rows)


def drifting_pairs(turns_away: bool) -> list[Pair]:
    """Faces and the cat under every action unit, on a head that drifts, with noise."""
    random, pairs = np.random.default_rng(1), []
    for row, photograph in enumerate(("Hopper", "Hopper's face", "cat")):
        for column, (unit, bumps) in enumerate(ACTION_UNITS.items()):
            face = facial_motion(bumps, AMPLITUDES_PX[(row + column) % len(AMPLITUDES_PX)])
            yaw, pitch = random.uniform(-1, 1, 2)
            right, down, turn = random.uniform(-1, 1, 3) * (1.5, 1.5, 0.5)
            head = out_of_plane(yaw, pitch) if turns_away else in_plane(right, down, turn)
            pair = render(f"{photograph}, {unit}", HELD_OUT[photograph], face, head)
            pairs.append(degrade(pair, "noise", random))
    return pairs


def drift_table() -> str:
    """EPE where the face moves / where it hardly does, for each way of removing the head's motion."""
    heading = ["head_motion; EPE, moving/still", "in plane: ±1.5 px, ±.5°", "out of plane: yaw and pitch ±1°"]
    sets = [drifting_pairs(turns_away) for turns_away in (False, True)]
    rows = [["no motion", *(_moving_and_still(pairs, still(pairs)) for pairs in sets)]]
    for setting in get_args(HeadMotion):
        config = FlowConfig(head_motion=setting)
        rows.append([setting, *(_moving_and_still(pairs, measure(pairs, config)) for pairs in sets)])
    return table(heading, rows)


def _moving_and_still(pairs: Sequence[Pair], flows: Sequence[NDArray[np.float32]]) -> str:
    inner = slice(EDGE_PX, -EDGE_PX)
    moving, still = [], []
    for pair, flow in zip(pairs, flows, strict=True):
        error = np.hypot(*(flow.transpose(2, 0, 1) - pair.truth))[inner, inner]
        length = np.hypot(*pair.truth)[inner, inner]
        moving.append(error[pair.active[inner, inner]].mean())
        still.append(error[length < 0.02 * length.max()].mean())
    return f"{np.mean(moving):.3f}/{np.mean(still):.3f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--contrib-python", type=Path, help="of an environment with opencv-contrib-python and numpy")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(drift_table(), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        python = options.contrib_python or make_environment(Path(scratch) / "environment")
        errors = compare_methods(python, Path(scratch))
    print(error_table(errors), end="\n\n")
    print(difference_table(errors))


if __name__ == "__main__":
    main()
