from collections.abc import Callable
from pathlib import Path

import pytest

from microfacial.datasets import DATASETS
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.write import write_release

SMALL = DemoPlan(identities=3, clips_per_identity=3, others=2, frames=(5, 6), width_px=70)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that writes a small release of a corpus on its first call and returns its folder."""
    root = tmp_path_factory.mktemp("releases")

    def write(corpus: str) -> Path:
        dataset = DATASETS[corpus if corpus in DATASETS else "casme2"]
        folder = root / corpus / dataset.folder
        if not folder.exists():
            write_release(corpus, folder, SMALL)
        return folder

    return write
