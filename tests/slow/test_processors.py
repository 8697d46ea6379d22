"""The outputs of the first three stages are identical on different processors.

Environment variables imitate processors with fewer instruction sets: they limit which code the libraries choose.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fakes import ROOT, TINY_PARAMS
from microfacial.preprocessing.store import FEATURE_FILES
from processes import execute

pytestmark = pytest.mark.slow

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "avx2",
}
SSE4 = {
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,AVX,FP16,SSE4.2,SSE4.1",
    "OPENCV_IPP": "sse42",
}
STAGES = """
from microfacial.pipeline.cli import main
for stage in ("clips", "faces", "flow"):
    main([stage], standalone_mode=False)
"""
INSPECT = """
import json, cv2, numpy, threadpoolctl
from numpy._core._multiarray_umath import __cpu_features__ as features
blas = [pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
enabled = cv2.getCPUFeaturesLine().split()  # "?" follows a disabled feature
print(json.dumps(["*AVX2" in enabled, "*AVX512-SKX" in enabled, features["X86_V3"], sorted(set(blas))]))
"""


def run(folder: Path, environment: Mapping[str, str], *command: str) -> str:
    """Run Python in a folder on the imitated processor, and return what it prints."""
    settings = [f"{name}={value}" for name, value in environment.items()]
    done = execute(folder, "env", "-u", "OPENBLAS_CORETYPE", *settings, sys.executable, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compute(folder: Path, demo: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Run the first three stages, with spotted apexes, and return the content of the feature files."""
    shutil.copytree(demo, folder / "data" / "demo")
    (folder / "src").symlink_to(ROOT / "src")
    (folder / "params.yaml").write_text(TINY_PARAMS.replace("scheme:", "apex: spotted, scheme:"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    run(folder, environment, "-c", STAGES)
    return {name: (folder / "results" / "tiny" / name).read_bytes() for name in FEATURE_FILES}


def test_the_environment_limits_the_choice_of_code(tmp_path: Path) -> None:
    """Otherwise, the other test would compare equal processors."""
    assert json.loads(run(tmp_path, SSE4, "-c", INSPECT)) == [False, False, False, ["Nehalem"]]
    if json.loads(run(tmp_path, {}, "-c", INSPECT))[0]:
        assert json.loads(run(tmp_path, AVX2, "-c", INSPECT)) == [True, False, True, ["Haswell"]]


def test_clips_faces_and_flow_are_identical_on_different_processors(tmp_path: Path, tiny_demo: Path) -> None:
    expected = compute(tmp_path / "full", tiny_demo, {})
    assert b",spotted," in expected["clips.csv"]
    assert np.load(tmp_path / "full/results/tiny/flow/flow.npy").any()
    for name, environment in (("avx2", AVX2), ("sse4", SSE4)):
        content = compute(tmp_path / name, tiny_demo, environment)
        assert [file for file in FEATURE_FILES if content[file] != expected[file]] == [], name
