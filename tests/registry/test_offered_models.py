"""The registered versions that a server offers."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from fake_versions import open_registry
from microfacial.errors import ConfigError
from microfacial.pipeline.commands.serve import collect_models
from microfacial.pipeline.project import open_project
from microfacial.preprocessing.faces import FacesConfig
from microfacial.serving.film_answers import open_source
from microfacial.serving.offered_models import ModelSource, offer_path, offer_prior, offer_versions


def test_a_server_offers_aliases_before_numbers_and_opens_each_version(
    registered: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = Path(shutil.copytree(registered("majority"), tmp_path / "project", symlinks=True))
    with chdir(root):
        offered = offer_versions("tiny", "casme2-4", Path("cache"))
        assert [model.name for model in offered] == ["challenger", "1"]
        assert [model.name for model in collect_models(None, open_project())] == ["prior", "challenger", "1"]
        assert [model.title for model in offered] == ["challenger: majority, version 1", "majority, version 1"]
        open_registry(root).set_alias("champion", 1)
        names = [model.name for model in offer_versions("tiny", "casme2-4", Path("cache"))]
        assert names == ["champion", "challenger", "1"]
        assert [model.name for model in collect_models(None, open_project())] == [
            "champion",
            "prior",
            "challenger",
            "1",
        ]
        names = [model.name for model in collect_models(offered[0].source.path, open_project())]
        assert names == ["own", "champion", "prior", "challenger", "1"]
        assert offer_versions("tiny", "casme2-5", Path("cache")) == []
    challenger = offered[0]
    assert challenger.card.startswith("# majority on tiny, casme2-4")
    note = open_source(challenger.source).note  # from another folder, as in a worker process
    assert (note.name, note.version) == ("majority", "tiny.casme2-4, version 1")
    own = offer_path(challenger.source.path)
    assert own.name == "own"
    own_note = open_source(own.source).note
    assert (own_note.classes, own_note.version) == (note.classes, Path(own.source.path).name)  # no folder of the server


def test_the_prior_has_the_classes_and_the_settings_of_the_project() -> None:
    faces = FacesConfig(size_px=56)
    model = open_source(offer_prior(ModelSource(scheme="casme2-5", faces=faces)).source)
    assert (model.note.scheme, model.faces) == ("casme2-5", faces)
    assert open_source(offer_prior().source).note.scheme == "megc2019-3"


def test_the_prior_is_no_path_of_a_model() -> None:
    with pytest.raises(ConfigError, match="motion_prior, under the name prior"):
        offer_path("motion_prior")
