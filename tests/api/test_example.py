"""The example of the README on the tiny demo: from a folder of clips to a comparison, without a project."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

import microfacial as mf
from command_line import read_rows
from fakes import ROOT
from microfacial.api import features as extraction
from microfacial.api.features import Features
from microfacial.errors import ConfigError, DatasetError, ProtocolError, StorageError
from microfacial.preprocessing import flow_jobs
from microfacial.preprocessing.flow import compute_clip_flow
from microfacial.records import Clip

FACES, FLOW = {"size_px": 56}, {"variational": {"levels": 2}}  # as in `TINY_PARAMS`


@pytest.fixture(scope="module")
def clips(tiny_demo: Path) -> mf.Clips:
    return mf.load_corpus("demo", tiny_demo, scheme="casme2-4", progress=False)


@pytest.fixture(scope="module")
def extracted(clips: mf.Clips, tmp_path_factory: pytest.TempPathFactory) -> Features:
    cache = tmp_path_factory.mktemp("cache")
    return mf.extract(clips, cache=cache, faces=FACES, flow=FLOW, processes=1, progress=False)


def test_clips_are_those_of_the_stage_and_have_a_length_a_table_and_a_summary(
    clips: mf.Clips, computed: Path, features: Features
) -> None:
    assert len(clips) == len(list(clips)) == 12
    table = clips.to_frame()
    stage = read_rows(computed / "results" / "tiny" / "clips.csv")
    assert table["digest"].tolist() == [row["digest"] for row in stage]
    assert table["apex"].tolist() == [int(row["apex"]) for row in stage]
    assert table.index.tolist() == [clip.id for clip in features.clips]
    assert "12 clips of 4 subjects in demo" in repr(clips)
    assert "others 1" in repr(clips)
    assert clips.classes == ("happiness", "disgust", "surprise", "repression")


def test_features_are_those_of_the_stages(extracted: Features, features: Features) -> None:
    for name in ("crops", "flow", "boxes"):
        assert np.array_equal(getattr(extracted.store, name), getattr(features.store, name))
    assert (extracted.store.clips, extracted.store.regions) == (features.store.clips, features.store.regions)
    assert len(extracted) == 12
    assert "5 windows of 56 × 56 px" in repr(extracted)


def test_extract_takes_everything_from_the_cache_the_second_time(
    clips: mf.Clips, extracted: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "locate_faces", None)
    monkeypatch.setattr(extraction, "compute_flow_of_clips", None)
    again = mf.extract(clips, cache=extracted.folder.parent, faces=FACES, flow=FLOW, processes=1, progress=False)
    assert again.folder == extracted.folder


def test_an_interrupted_extract_continues_with_the_missing_clips(
    clips: mf.Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    limit = 5

    def compute(clip: Clip, *rest: Any) -> Any:
        if len(computed) == limit:
            raise KeyboardInterrupt
        computed.append(clip.id)
        return compute_clip_flow(clip, *rest)

    arguments: dict[str, Any] = {"faces": {"size_px": 28}, "flow": {"method": "dis"}, "processes": 1}
    monkeypatch.setattr(flow_jobs, "compute_clip_flow", compute)
    with pytest.raises(KeyboardInterrupt):
        mf.extract(clips, cache=tmp_path, progress=False, **arguments)
    limit = 12
    assert len(mf.extract(clips, cache=tmp_path, progress=False, **arguments)) == 12
    assert sorted(computed) == sorted(clip.id for clip in clips)  # each clip once


def test_several_corpora_come_from_folders_anywhere(tiny_demo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(tiny_demo)
    one = mf.load_corpus({"demo": tmp_path / "elsewhere"}, scheme="casme2-4", progress=False)
    assert (one.root, one.clips[0].frames.split("/")[0]) == (tmp_path, "elsewhere")
    with pytest.raises(DatasetError, match="demo/sub01"):  # both folders are one corpus
        mf.load_corpus({"demo": tiny_demo, "casme2": tmp_path / "elsewhere"}, scheme="casme2-4", progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        (("casme9", "x"), ConfigError, "casme9.*casme2.*samm"),
        (("casme2", "x", "casme2-9"), ConfigError, "casme2-9.*casme2-5"),
        (("casme2",), ConfigError, "folder"),
        (({}, None), ConfigError, "corpus"),
        (("casme2", "/nonexistent"), DatasetError, "/nonexistent"),
    ],
)
def test_a_wrong_corpus_scheme_or_folder_is_named(
    arguments: tuple[str, ...], error: type[Exception], named: str
) -> None:
    corpus, folder, scheme = (*arguments, *(None, "casme2-5")[len(arguments) - 1 :])[:3]
    with pytest.raises(error, match=named):
        mf.load_corpus(corpus or {}, folder, scheme=str(scheme), progress=False)


def test_wrong_options_are_named(tiny_demo: Path) -> None:
    with pytest.raises(ConfigError, match=r"load_corpus\.apex"):
        mf.load_corpus("demo", tiny_demo, scheme="casme2-4", apex="guessed", progress=False)
    with pytest.raises(ConfigError, match=r"load_corpus\.max_frame_gap"):
        mf.load_corpus("demo", tiny_demo, scheme="casme2-4", max_frame_gap=-1, progress=False)


def test_wrong_arguments_of_extract_are_named(clips: mf.Clips, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="str"):
        mf.extract("casme2", cache=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"faces\.size"):
        mf.extract(clips, cache=tmp_path, faces={"size": 3})
    with pytest.raises(ConfigError, match=r"flow must be a mapping"):
        mf.extract(clips, cache=tmp_path, flow="dis")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="published"):
        mf.extract(clips, cache=tmp_path, flow={"method": "published"})
    with pytest.raises(ConfigError, match=r"flow\.tvl1 .*variational"):
        mf.extract(clips, cache=tmp_path, flow={"tvl1": {"warps": 3}})
    with pytest.raises(ConfigError, match="processes"):
        mf.extract(clips, cache=tmp_path, processes=0)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        mf.extract(clips, cache=tmp_path / "file", faces=FACES, progress=False)


@pytest.mark.parametrize(("copies", "named"), [(0, "found 0"), (2, "demo/.* 2 times")])
def test_an_empty_or_repeated_list_is_refused_before_anything_is_written(
    clips: mf.Clips, tmp_path: Path, copies: int, named: str
) -> None:
    with pytest.raises(ConfigError, match=f"^extract.*{named}"):
        mf.extract(replace(clips, clips=clips.clips * copies), cache=tmp_path / "cache", progress=False)
    assert not list(tmp_path.iterdir())


def test_clips_can_come_from_any_iterable(clips: mf.Clips) -> None:
    subset = replace(clips, clips=(clip for clip in clips))  # type: ignore[arg-type]
    assert len(subset) == 12
    assert subset == clips


def test_the_same_frames_under_two_subjects_are_refused(tiny_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.preprocessing.clip_jobs.digest_frames", lambda *_: "0" * 16)
    with pytest.raises(DatasetError, match=r"demo/sub02/\S+ .* demo/sub01/"):
        mf.load_corpus("demo", tiny_demo, scheme="casme2-4", progress=False)


@pytest.mark.parametrize("content", [None, 3, "ab", [3]])
def test_clips_of_another_kind_are_refused(clips: mf.Clips, content: Any) -> None:
    named = type(content[0] if isinstance(content, list) else content).__name__
    with pytest.raises(ConfigError, match=f"^Clips: .*{named}"):
        replace(clips, clips=content)


def test_a_damaged_cache_names_the_folder_to_delete(clips: mf.Clips, extracted: Features, tmp_path: Path) -> None:
    shutil.copytree(extracted.folder, tmp_path / extracted.folder.name)
    index = tmp_path / extracted.folder.name / "flow" / "index.json"
    index.write_text("[]")
    with pytest.raises(StorageError, match=rf"{index}.*call extract again"):
        mf.extract(clips, cache=tmp_path, faces=FACES, flow=FLOW, processes=1, progress=False)


def test_a_cache_with_the_clips_of_another_call_names_the_folder_to_delete(
    clips: mf.Clips, extracted: Features, tmp_path: Path
) -> None:
    shutil.copytree(extracted.folder, tmp_path / extracted.folder.name)
    index = tmp_path / extracted.folder.name / "flow" / "index.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "clips": content["clips"][::-1]}))
    with pytest.raises(StorageError, match=rf"{extracted.folder.name}.*call extract again"):
        mf.extract(clips, cache=tmp_path, faces=FACES, flow=FLOW, processes=1, progress=False)


@pytest.mark.parametrize("path", [3, None, b"x", "a\0b", ["a"]], ids=repr)
def test_an_argument_that_is_no_path_is_refused(clips: mf.Clips, path: Any) -> None:
    for call in (
        lambda: mf.load_corpus({"demo": path}, scheme="casme2-4"),
        lambda: mf.extract(clips, cache=path, progress=False),
        lambda: mf.load_features(path),
        lambda: mf.read_clip(path),
        lambda: mf.load_fold(path),
    ):
        with pytest.raises(ConfigError, match=r"must be a path"):
            call()


@pytest.mark.parametrize("name", [["demo"], {1}, 3], ids=repr)
def test_a_name_that_is_no_text_is_refused(tiny_demo: Path, name: Any) -> None:
    with pytest.raises(ConfigError, match="is not a corpus"):
        mf.load_corpus(name, tiny_demo, scheme="casme2-4")
    with pytest.raises(ConfigError, match="is not a label scheme"):
        mf.load_corpus("demo", tiny_demo, scheme=name)


def test_features_of_other_clips_are_refused(clips: mf.Clips, extracted: Features) -> None:
    other = mf.Clips(**{**vars(clips), "clips": clips.clips[1:]})
    with pytest.raises(StorageError, match=clips.clips[0].id):
        Features(clips=other, store=extracted.store, folder=extracted.folder)


def test_the_example_of_the_readme_runs(
    extracted: Features,
    tiny_demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    section = (ROOT / "README.md").read_text().partition("\n## From Python\n")[2]
    snippet = section.partition("```python\n")[2].partition("```")[0]
    for old, new in (
        ('"data/demo"', f'"{tiny_demo}"'),
        ('cache="cache/"', f'cache="{extracted.folder.parent}", faces={FACES}, flow={FLOW}'),
        ("repeats=5", 'repeats=2, settings={"epochs": 1, "input_px": 8}'),
        ("LogisticRegression(), features", 'LogisticRegression(), features, settings={"input_px": 8}'),
    ):
        assert old in snippet
        snippet = snippet.replace(old, new)
    monkeypatch.setattr("microfacial.workers.cpu_count", lambda: 1)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("hybrid: leave-one-subject-out within each corpus, 12 clips of 4 subjects, 2 repetitions")
    assert "LogisticRegression  UF1" in printed
    assert len(read_rows(tmp_path / "clips.csv")) == 24


def test_the_result_of_a_model_is_that_of_the_stage_and_can_be_compared(extracted: Features) -> None:
    settings: dict[str, Any] = {"input_px": 8, "epochs": 1}
    result = mf.evaluate("mlp", extracted, validation_folds=3, settings=settings, processes=1, progress=False)
    data = mf.Data(
        store=extracted.store, clips=extracted.clips.clips, classes=extracted.clips.classes, protocol=result.protocol
    )
    folds = list(mf.run_folds(data, "mlp", **settings))
    assert result.evaluation == mf.score(data, folds, "mlp")
    constant = mf.evaluate(DummyClassifier(strategy="prior"), extracted, processes=1, progress=False)
    compared = result.compare(constant)
    assert compared.comparison.baseline == "DummyClassifier"
    assert compared.comparison.uf1_difference == pytest.approx(
        result.evaluation.overall.uf1 - constant.evaluation.overall.uf1
    )
    assert "difference" in str(compared)
    assert isinstance(result.to_frame(), pd.DataFrame)
    with pytest.raises(ProtocolError):
        result.compare(mf.evaluate("majority", extracted, protocol="composite", processes=1, progress=False))
    with pytest.raises(ConfigError, match="str"):
        result.compare("majority")  # type: ignore[arg-type]
