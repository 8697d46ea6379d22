"""Measure the error of each method's flow on photographs that are warped by known motions.

    python benchmarks/warps.py [--contrib-python PYTHON]

No setting was tuned on these photographs. The first part moves the head and compares the ways to remove its motion. The
second part has six crops of photographs, eight motions like those of action units (0.3 to 3 px), and five conditions.

OpenCV's own TV-L1 is in opencv-contrib-python, which would replace this project's OpenCV. It therefore runs in another
environment: a temporary one, unless an option names one.

The output is Markdown. EPE is the end-point error in px over the frame / over the moving pixels. Intervals are 95 %
percentiles of a bootstrap over pairs.
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

Errors = NDArray[np.float64]  # (N, 2): mean over the frame, mean over the moving pixels, px
DRAWS = 10_000
BATCH = 8  # pairs in one batch of TV-L1
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
    """Return the end-point errors of flows `(H, W, 2)`."""
    inner = slice(EDGE_PX, -EDGE_PX)
    rows = []
    for pair, flow in zip(pairs, flows, strict=True):
        error = np.hypot(*(flow.transpose(2, 0, 1) - pair.truth))
        rows.append((error[inner, inner].mean(), error[pair.active].mean()))
    return np.array(rows)


def still(pairs: Sequence[Pair]) -> list[NDArray[np.float32]]:
    """Return zero flow for each pair. Every method must have a smaller error."""
    return [np.zeros((*pair.truth.shape[1:], 2), np.float32) for pair in pairs]


def compute(pairs: Sequence[Pair], config: FlowConfig) -> list[NDArray[np.float32]]:
    """Compute the flow of every pair with the package."""
    prepared = [(prepare(pair.first, config), prepare(pair.last, config)) for pair in pairs]
    chunks = (prepared[start : start + BATCH] for start in range(0, len(pairs), BATCH))
    return [flow for chunk in chunks for flow in facial_flow(chunk, config)]


def make_environment(folder: Path) -> Path:
    """Make an environment with opencv-contrib-python of the same version as OpenCV here. Return its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = [f"opencv-contrib-python=={cv2.__version__}.*", f"numpy=={version('numpy')}"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def compute_contrib(pairs: Sequence[Pair], python: Path, scratch: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Compute the flow of every pair with opencv-contrib's TV-L1: by default, and tuned on high-passed frames."""
    raw = [[cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (pair.first, pair.last)] for pair in pairs]
    flat = [[prepare(frame, FLAT) for frame in (pair.first, pair.last)] for pair in pairs]
    np.savez(scratch / "pairs.npz", raw=np.array(raw), flat=np.array(flat))
    script = Path(__file__).with_name("contrib_tvl1.py")
    subprocess.run([str(python), str(script), str(scratch / "pairs.npz"), str(scratch / "flows.npz")], check=True)
    with np.load(scratch / "flows.npz") as flows:
        return {CONTRIB: list(flows["default"]), TUNED: list(flows["tuned"])}


def compare_methods(python: Path, scratch: Path) -> dict[str, dict[str, Errors]]:
    """Return the errors by condition and method."""
    clean = facial_pairs(HELD_OUT)
    errors: dict[str, dict[str, Errors]] = {}
    for condition in CONDITIONS:
        pairs = [degrade(pair, condition, np.random.default_rng(seed)) for seed, pair in enumerate(clean)]
        flows = {"no motion": still(pairs)}
        flows |= {name: compute(pairs, config) for name, config in METHODS.items()}
        flows |= compute_contrib(pairs, python, scratch)
        errors[condition] = {name: score(pairs, flow) for name, flow in flows.items()}
    return errors


def interval(differences: NDArray[np.float64]) -> str:
    """Return the mean of paired differences with its bootstrap interval."""
    random = np.random.default_rng(0)
    means = differences[random.integers(0, len(differences), (DRAWS, len(differences)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, ["---"] * len(heading), *rows))


def error_table(errors: dict[str, dict[str, Errors]]) -> str:
    """Return a table of the mean EPE over the frame / the moving pixels, one row per method."""
    names = next(iter(errors.values()))
    rows = [
        [name, *("{:.3f}/{:.3f}".format(*errors[condition][name].mean(axis=0)) for condition in errors)]
        for name in names
    ]
    return table(["EPE, frame/moving", *errors], rows)


def difference_table(errors: dict[str, dict[str, Errors]]) -> str:
    """Return a table of paired differences: the default minus each rival, and the package's TV-L1 minus OpenCV's."""
    compared = [
        (DEFAULT, CONTRIB),
        (DEFAULT, TUNED),
        (DEFAULT, "tvl1"),
        ("tvl1, as contrib", CONTRIB),
        ("tvl1, as contrib, tuned", TUNED),
    ]
    rows = [
        [f"{first} − {second}, {pixels}", *(interval((of[first] - of[second])[:, column]) for of in errors.values())]
        for first, second in compared
        for column, pixels in enumerate(("frame", "moving"))
    ]
    return table(["difference of EPE", *errors], rows)


def drifting_pairs(turns_away: bool) -> list[Pair]:
    """Return noisy pairs of two faces and a cat with every action unit, on a head that drifts."""
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
    """Return a table of the EPE where the face moves / where it hardly moves, for each way to remove head motion."""
    heading = ["head_motion; EPE, moving/still", "in plane: ±1.5 px, ±.5°", "out of plane: yaw and pitch ±1°"]
    sets = [drifting_pairs(turns_away) for turns_away in (False, True)]
    rows = [["no motion", *(_moving_and_still(pairs, still(pairs)) for pairs in sets)]]
    for setting in get_args(HeadMotion):
        config = FlowConfig(head_motion=setting)
        rows.append([setting, *(_moving_and_still(pairs, compute(pairs, config)) for pairs in sets)])
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
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--contrib-python", type=Path, help="Python of an environment with opencv-contrib-python and numpy"
    )
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
