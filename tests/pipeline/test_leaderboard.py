import subprocess
import sys

import pytest


@pytest.mark.slow
def test_settings_and_leaderboard_import_few_heavy_libraries() -> None:
    code = (
        "import sys, microfacial.pipeline.config, microfacial.pipeline.leaderboard\n"
        "heavy = ('sklearn', 'pandas', 'matplotlib', 'mlflow', 'dvc', 'optuna', 'scipy.stats', 'scipy.interpolate')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
