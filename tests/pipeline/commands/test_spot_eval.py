import json
from pathlib import Path

import pytest

from command_line import run

HEADER = "person,onset,apex,offset,class,kind\n"
TRUTH = HEADER + "1,1,5,10,positive,micro\n2,40,45,52,negative,micro\n1,100,120,160,positive,macro\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with the table of the true events of clip.mp4."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.csv").write_text(TRUTH)
    return tmp_path


def test_a_table_is_scored_by_kind_and_over_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("1,2,5,10,positive,micro\n", "1,40,45,52,negative,micro\n", "1,101,120,160,,macro\n")
    (folder / "spotted.csv").write_text(HEADER + "".join(rows))
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["micro"] == {
        "annotated": 2,
        "spotted": 2,
        "matched": 1,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
    }
    assert scores["macro"]["f1"] == 1.0
    assert scores["all"]["f1"] == pytest.approx(2 / 3)
    assert scores["strs"] == pytest.approx(0.5)
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv") == 0
    assert "STRS 0.500" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["{0}", "[{0}]", "{0}\n{1}\n"])
def test_answers_of_predict_are_read_as_one_document_a_list_or_lines(
    form: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"person": 1, "onset": 1, "apex": 5, "offset": 10, "kind": "micro", "label": "positive", "score": 0.7}
    answers = [json.dumps({"source": "films/clip.mp4", "events": events}) for events in ([event], [])]
    (folder / "spotted.json").write_text(form.format(*answers))
    assert run(monkeypatch, "spot-eval", "spotted.json", "--truth", "clip.csv", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["micro"]["matched"], scores["micro"]["annotated"]) == (1, 2)


def test_videos_are_told_apart_by_their_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.csv").write_text(HEADER + "1,1,5,10,,micro\n")
    table = "source,person,onset,apex,offset,label,kind\na/clip.mp4,1,1,5,10,,micro\nother.mp4,1,40,45,52,,micro\n"
    (folder / "spotted.csv").write_text(table + "still.mp4,,,,,,\n")
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--truth", "other.csv", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["micro"]["annotated"], scores["micro"]["spotted"], scores["micro"]["matched"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("spotted.csv", HEADER + "1,9,5,10,,micro\n", "line 2"),
        ("spotted.csv", HEADER + "1,1,5,10,,mikro\n", "'mikro'"),
        ("spotted.csv", HEADER + "1,1.5,5,10,,micro\n", "'1.5'"),
        ("spotted.csv", "person,onset\n1,2\n", "apex"),
        ("spotted.csv", "source,person,onset,apex,offset,kind\nx.mp4,1,1,5,10,micro\n", "'x.mp4'"),
        ("spotted.json", "[1]", "answer 1"),
        ("spotted.json", '{"events": [{"onset": 3}]}', "event 1"),
        ("spotted.json", "junk", "spotted.json"),
    ],
)
def test_a_faulty_table_gives_one_line_with_its_place(
    name: str,
    content: str,
    value: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / name).write_text(content)
    assert run(monkeypatch, "spot-eval", name, "--truth", "clip.csv") == 2
    message = capsys.readouterr().err.strip()
    assert value in message
    assert "\n" not in message


def test_a_missing_truth_is_refused_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "spot-eval", "clip.csv", "--truth", "absent.csv") == 2
    assert "absent.csv" in capsys.readouterr().err
    (folder / "empty.csv").write_text(HEADER)
    assert run(monkeypatch, "spot-eval", "clip.csv", "--truth", "empty.csv") == 2
    assert "empty.csv" in capsys.readouterr().err


def test_a_video_without_annotated_movements_counts_its_false_alarms(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "quiet.csv").write_text(HEADER)
    table = "source,person,onset,apex,offset,label,kind\na/clip.mp4,1,1,5,10,,micro\nquiet.mp4,1,40,45,52,,micro\n"
    (folder / "spotted.csv").write_text(table)
    rows = ("clip.mp4,1,1,5,10,micro", "clip.mp4,2,40,45,52,micro", "quiet.mp4,,,,,")
    (folder / "both.csv").write_text("\n".join(("clip,person,onset,apex,offset,kind", *rows, "")))
    for truth in (("clip.csv", "--truth", "quiet.csv"), ("both.csv",)):
        assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", *truth, "--json") == 0
        scores = json.loads(capsys.readouterr().out)
        assert (scores["micro"]["annotated"], scores["micro"]["spotted"], scores["micro"]["matched"]) == (2, 2, 1)


CROWDED = HEADER + "anna,1,5,10,positive,micro\nben,40,45,52,negative,micro\n"


def test_people_with_other_names_than_in_the_annotation_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "clip.csv").write_text(CROWDED)
    (folder / "spotted.csv").write_text(TRUTH)
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv") == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("'clip'", "'1'", "'anna'"))
    (folder / "spotted.csv").write_text(HEADER + "anna,1,5,10,,micro\n3,40,45,52,,micro\n")
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 1


def test_leading_zeros_do_not_tell_people_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "spotted.csv").write_text(HEADER + "01,1,5,10,,micro\n02,40,45,52,,micro\n")
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 2


def test_a_movement_that_is_listed_twice_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one.csv").write_text(TRUTH.replace("2,40", "2,41"))
    rows = TRUTH.removeprefix(HEADER).splitlines()
    (folder / "two.csv").write_text("\n".join([f"source,{HEADER.strip()}", *(f"a/clip.mp4,{row}" for row in rows), ""]))
    arguments = ("spot-eval", "one.csv", "two.csv", "--truth", "clip.csv")
    assert run(monkeypatch, *arguments) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("one.csv", "two.csv", "1–10", "'clip'"))
    (folder / "clip.csv").write_text(TRUTH + "1,1,5,10,negative,micro\n")
    assert run(monkeypatch, "spot-eval", "one.csv", "--truth", "clip.csv") == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("clip.csv", "negative and positive"))


def test_a_row_with_moments_is_an_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "spotted.csv").write_text(f"error,{HEADER}0,1,1,5,10,,micro\n")
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spotted.csv", "clip,person,onset,apex,offset,kind,error\nclip.mp4,,,,,,no video\n"),
        ("spotted.json", '{"source": "clip.mp4", "error": "no video", "events": []}'),
    ],
)
def test_a_film_with_an_error_is_not_a_film_without_movements(
    name: str, content: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(content)
    assert run(monkeypatch, "spot-eval", name, "--truth", "clip.csv") == 2
    message = capsys.readouterr().err
    assert all(text in message for text in (name, "clip", "no video"))


TABLES = {  # tables without a column of videos; the moments of the two films are exchanged
    "truth/a/film.csv": HEADER + "1,10,15,20,positive,micro\n",
    "truth/b/film.csv": HEADER + "1,100,105,110,positive,micro\n",
    "b/film.csv": HEADER + "1,10,15,20,positive,micro\n",
    "a/film.csv": HEADER + "1,100,105,110,positive,micro\n",
}


def test_tables_of_one_name_in_two_folders_are_about_two_videos(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in TABLES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    truth = ("--truth", "truth/a/film.csv", "--truth", "truth/b/film.csv", "--json")
    assert run(monkeypatch, "spot-eval", "a/film.csv", "b/film.csv", *truth) == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 0
    for name in ("a", "b"):
        (folder / "right" / name).mkdir(parents=True)
        (folder / "right" / name / "film.csv").write_text(TABLES[f"truth/{name}/film.csv"])
    assert run(monkeypatch, "spot-eval", "right/a/film.csv", "right/b/film.csv", *truth) == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 2


def test_two_answers_about_the_only_video_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text(HEADER + "1,1,5,10,positive,micro\n")
    assert run(monkeypatch, "spot-eval", "one.csv", "two.csv", "--truth", "clip.csv") == 2
    assert "one.csv and two.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spotted", "matched"), [(("x.mp4", "x.mov"), 2), (("x.mov", "x.mp4"), 0), (("x.avi", "x.avi"), None)]
)
def test_extensions_tell_videos_apart_where_they_are_needed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spotted: tuple[str, str],
    matched: int | None,
) -> None:
    for name, (first, second) in (("truth.csv", ("x.mp4", "x.mov")), ("spotted.csv", spotted)):
        rows = (f"{first},1,10,15,20,positive,micro", f"{second},1,110,115,120,positive,micro")
        (folder / name).write_text("\n".join((f"video,{HEADER.strip()}", *rows, "")))
    status = run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "truth.csv", "--json")
    answer = capsys.readouterr()
    if matched is None:
        assert status == 2
        assert all(name in answer.err for name in ("x.avi", "x.mp4", "x.mov"))
    else:
        assert json.loads(answer.out)["micro"]["matched"] == matched


@pytest.mark.parametrize(("label", "score"), [("happiness", 0.0), ("", None)])
def test_a_note_says_if_no_class_is_in_both_tables(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], label: str, score: float | None
) -> None:
    (folder / "spotted.csv").write_text(HEADER + f"1,1,5,10,{label},micro\n2,40,45,52,{label},micro\n")
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["micro"]["f1"] == 1
    assert (scores["recognition_f1"], scores["strs"]) == (score, score)
    assert label in scores["strs_note"]
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "clip.csv") == 0
    assert scores["strs_note"] in capsys.readouterr().out


def test_an_annotated_video_is_the_same_with_and_without_its_extension(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("clip.mp4,1,1,5,10,,micro", "clip,1,40,45,52,,micro", "")
    (folder / "truth.csv").write_text("\n".join((f"video,{HEADER.strip()}", *rows)))
    (folder / "spotted.csv").write_text("\n".join((f"video,{HEADER.strip()}", *rows)).replace("clip,", "clip.mp4,"))
    assert run(monkeypatch, "spot-eval", "spotted.csv", "--truth", "truth.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["micro"]["matched"] == 2
