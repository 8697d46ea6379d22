"""Command `predict` without a project."""

import csv
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_films import FACE, FPS, write_film
from films import make_noise, write_video

from command_line import run
from microfacial.inference.answer import answer_film
from microfacial.inference.film_answer import MISUSE, FilmAnswer

Predict = Callable[..., int]


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "noise.avi", make_noise(6, 64), FPS)
    (tmp_path / "notes.mp4").write_text("These are notes.")
    return lambda *arguments: run(monkeypatch, "predict", *arguments)


def test_each_film_has_a_line_and_the_others_continue_after_one_that_fails(
    predict: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("notes.mp4", "noise.avi", "gone.mp4", "--json") == 2
    output = capsys.readouterr()
    lines = [json.loads(line) for line in output.out.splitlines()]
    assert [line["clip"] for line in lines] == ["notes.mp4", "noise.avi", "gone.mp4"]
    assert ["error" in line for line in lines] == [True, False, True]
    assert (lines[1]["model"], lines[1]["label"]) == ("motion_prior", None)
    assert lines[1]["reason"]
    assert output.err.count(MISUSE) == 1


def test_a_film_without_events_is_no_failure(predict: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("noise.avi", "--scheme", "samm-5") == 0
    output = capsys.readouterr().out
    assert "motion_prior" in output
    assert "contempt" in output
    assert "no event" in output


def test_a_table_and_pages_are_written_for_all_films(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write_video(tmp_path / "more" / "noise.avi", make_noise(5, 64), FPS)
    assert predict("*.avi", "more", "notes.mp4", "--csv", "out/table.csv", "--html", "pages") == 2
    with Path("out/table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["clip"] for row in rows] == ["noise.avi", "more/noise.avi", "notes.mp4"]
    assert [bool(row["reason"]) for row in rows] == [True, True, False]
    assert [bool(row["error"]) for row in rows] == [False, False, True]
    assert {"p_negative", "p_positive", "p_surprise"} <= set(rows[0])
    assert sorted(path.name for path in Path("pages").iterdir()) == ["noise-2.html", "noise.html"]


def test_several_films_are_rendered_into_a_folder(predict: Predict, tmp_path: Path) -> None:
    write_video(tmp_path / "face.avi", [FACE] * 3, FPS)
    assert predict("face.avi", "noise.avi", "--render", "drawn") == 0
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["face.mp4", "noise.mp4"]


def test_a_film_is_not_replaced_by_its_rendering(predict: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("noise.avi").read_bytes()
    assert predict("noise.avi", "--render", "./noise.avi") == 2
    assert "noise.avi" in capsys.readouterr().err
    assert Path("noise.avi").read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        ("noise.avi", "--csv", "./noise.avi"),
        (".", "--csv", "noise.avi"),
        ("frames", "--fps", "30", "--csv", "frames/img1.png"),
        ("noise.avi", "--csv", "same.mp4", "--render", "same.mp4"),
        ("noise.avi", "--csv", "notes.mp4/table.csv"),
        ("noise.avi", "--html", "notes.mp4/pages"),
        ("noise.avi", "--html", "pages", "--csv", "pages/noise.html"),
        ("noise.avi", "face.avi", "--render", "drawn", "--csv", "drawn/face.mp4"),
        ("noise.avi", "--csv", "frames"),
        ("noise.avi", "--csv", "pipe"),
    ],
)
def test_an_output_that_would_replace_something_is_refused(
    predict: Predict, capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...]
) -> None:
    write_film(tmp_path / "frames", [FACE] * 2)
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert predict(*options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("microfacial: ")]
    assert len(errors) == 1
    assert options[-1].removeprefix("./") in errors[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_output_that_cannot_be_written_loses_no_answer(
    predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "more.avi", make_noise(5, 64), FPS)
    (tmp_path / "out" / "noise.mp4").mkdir(parents=True)
    arguments = ("noise.avi", "more.avi", "--render", "out", "--html", "pages", "--csv", "table.csv")
    assert predict(*arguments) == 2
    assert "noise.mp4" in capsys.readouterr().err
    assert len(Path("table.csv").read_text().splitlines()) == 3
    assert sorted(path.name for path in Path("pages").iterdir()) == ["more.html", "noise.html"]
    assert (tmp_path / "out" / "more.mp4").is_file()


def test_a_video_whose_name_is_not_text_is_refused_and_the_others_continue(
    predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.avi", "bad\udcff.avi"):
        write_video(tmp_path / "film.avi", make_noise(5, 64), FPS).rename(tmp_path / "films" / name)
    assert predict("films", "--csv", "table.csv", "--html", "pages") == 2
    assert "UTF" in capsys.readouterr().err.upper()
    with Path("table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert predict("noise.avi", "--render", "bad\udcff.mp4") == 2


def test_files_are_written_although_standard_output_is_closed(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys.stdout, "write", fail)
    assert predict("noise.avi", "--csv", "table.csv", "--html", "pages") == 2
    assert Path("table.csv").exists()
    assert Path("pages/noise.html").exists()
    assert predict("noise.avi") == 2


def test_a_table_can_be_written_next_to_frames_again(predict: Predict, tmp_path: Path) -> None:
    write_film(tmp_path / "frames", [FACE] * 6)
    for _ in range(2):
        assert predict("frames", "--fps", "30", "--csv", "frames/table.csv") == 0
    assert Path("frames/table.csv").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--render", "drawn.txt"), "drawn.txt"),
        (("--model", "nothing"), "nothing"),
        (("--model", "models:/demo"), "models:/demo"),
        (("--model", "fold.npz"), "evaluation.json"),
        (("--scheme", "casme2-9"), "casme2-9"),
        (("--scheme", ""), "--scheme"),
        (("--model", ""), "--model"),
        (("--csv", ""), "--csv"),
        (("--html", ""), "--html"),
        (("--render", ""), "--render"),
        (("--model", "bundle", "--scheme", "casme2-4"), "casme2-4"),
    ],
)
def test_a_wrong_option_gives_one_line(
    predict: Predict, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], named: str
) -> None:
    assert predict("noise.avi", *options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if MISUSE not in line]
    assert len(errors) == 1
    assert named in errors[0]


@pytest.mark.slow
def test_the_prior_imports_no_heavy_library(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, microfacial.pipeline.commands.predict, microfacial.pipeline.commands.predict_camera\n"
        "heavy = ('torch', 'sklearn', 'pandas', 'matplotlib', 'mlflow', 'scipy.signal', 'scipy.stats')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pages_of_films_with_similar_names_do_not_replace_each_other(predict: Predict, tmp_path: Path) -> None:
    for folder, name in (("a", "noise-2"), ("b", "noise")):
        (tmp_path / folder).mkdir()
        write_video(tmp_path / folder / f"{name}.avi", make_noise(5, 64), FPS)
    assert predict("noise.avi", "a", "b", "--html", "pages") == 0
    assert sorted(path.name for path in Path("pages").iterdir()) == ["noise-2.html", "noise-3.html", "noise.html"]


def test_a_registered_version_has_no_other_scheme(predict: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("noise.avi", "--alias", "champion", "--scheme", "samm-5") == 2
    assert "--scheme" in capsys.readouterr().err


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_keeps_the_rows_of_the_films_that_are_answered(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    handler = signal.getsignal(number)
    write_video(Path("second.avi"), make_noise(6, 64), FPS)

    def interrupt(film: Path, *arguments: object, **options: object) -> FilmAnswer:
        if film.name == "second.avi":
            assert signal.getsignal(number) != handler  # it would end the tests
            os.kill(os.getpid(), number)
        return answer_film(film, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("microfacial.pipeline.commands.predict.answer_film", interrupt)
    Path("table.csv").write_text("a complete table\n")
    assert predict("noise.avi", "second.avi", "notes.mp4", "--csv", "table.csv") not in (0, 2)
    assert Path("table.csv").read_text() == "a complete table\n"
    with Path("table.partial.csv").open() as stream:
        assert [row["clip"] for row in csv.DictReader(stream)] == ["noise.avi"]
    assert "the first 1 of 3 films" in capsys.readouterr().err
    assert signal.getsignal(number) == handler


def test_only_the_page_of_the_same_film_is_replaced(
    predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "a").mkdir()
    write_video(tmp_path / "a" / "noise.avi", make_noise(5, 64), FPS)
    Path("out/noise.html").write_text("notes")
    assert predict("noise.avi", "--html", "out") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "noise-2" in line]
    assert str(Path("out/noise.html")) in line
    page = Path("out/noise-2.html").read_bytes()
    assert predict("a/noise.avi", "--html", "out") == 0
    assert Path("out/noise.html").read_text() == "notes"
    assert Path("out/noise-2.html").read_bytes() == page
    Path("out/noise-2.html").write_bytes(page.replace(b"no event", b""))
    assert predict(str(tmp_path / "noise.avi"), "--html", "out", "--fps", "30") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["noise-2.html", "noise-3.html", "noise.html"]
    assert b"30" in Path("out/noise-2.html").read_bytes()


def test_a_video_in_a_folder_replaces_no_other_file(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    Path("out/noise.mp4").write_bytes(b"a film of mine")
    assert predict("noise.avi", "--render", "out") == 0
    assert Path("out/noise.mp4").read_bytes() == b"a film of mine"
    assert Path("out/noise-2.mp4").exists()
    Path("noise.avi").rename("out/noise.mp4")
    assert predict("out/noise.mp4", "--render", "out") == 2  # the film itself


def test_control_characters_in_a_name_do_not_reach_the_terminal(
    predict: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("noise.avi").rename("k\x1b[2J\n\u202e\x9b.avi")
    assert predict("k\x1b[2J\n\u202e\x9b.avi", "gone\x1b.mp4") == 2
    output = capsys.readouterr()
    assert r"k\x1b[2J\n\u202e\x9b.avi" in output.out
    assert r"gone\x1b.mp4" in output.err
    assert all(letter.isprintable() for line in f"{output.out}{output.err}".split("\n") for letter in line)
