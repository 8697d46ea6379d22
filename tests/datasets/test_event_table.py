import json
import os
from pathlib import Path
from threading import Thread

import pytest

from microfacial.datasets.event_table import VideoEvent, drop_extension, read_event_table, write_events
from microfacial.errors import StorageError

EVENTS = (
    VideoEvent(person="1", onset=3, apex=7, offset=12, label="positive", kind="micro"),
    VideoEvent(person="2", onset=30, apex=50, offset=90, label="", kind="macro"),
)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_events(tmp_path / "clip.csv", EVENTS)
    assert (tmp_path / "clip.csv").read_text().splitlines()[0] == "person,onset,apex,offset,class,kind"
    assert read_event_table(tmp_path / "clip.csv").events == EVENTS


@pytest.mark.parametrize(("row", "value"), [("1,9,7,12,,micro", "onset 9"), ("1,x,7,12,,micro", "'x'")])
def test_a_faulty_row_is_refused_with_its_line(tmp_path: Path, row: str, value: str) -> None:
    (tmp_path / "clip.csv").write_text(f"person,onset,apex,offset,class,kind\n1,1,2,3,,micro\n{row}\n")
    with pytest.raises(StorageError, match=rf"line 3.*{value}"):
        read_event_table(tmp_path / "clip.csv")


def test_the_lines_of_predict_are_read(tmp_path: Path) -> None:
    line = {
        "clip": "films/a.mp4",
        "person": 1,
        "onset": 3,
        "apex": 7,
        "offset": 12,
        "label": "positive",
        "kind": "micro",
    }
    quiet = {"clip": "films/b.mp4", "label": None, "reason": "nothing moves"}
    (tmp_path / "events.json").write_text("\n".join(json.dumps(row) for row in (line, quiet)))
    (tmp_path / "events.csv").write_text(",".join(line) + "\n" + ",".join(map(str, line.values())) + "\n")
    expected = (EVENTS[0].in_video("films/a.mp4"),)
    assert read_event_table(tmp_path / "events.json").events == expected
    assert read_event_table(tmp_path / "events.csv").events == expected


def test_the_protection_against_formulas_is_removed(tmp_path: Path) -> None:
    rows = "clip,person,onset,apex,offset,label,kind\n'=a.mp4,1,3,7,12,positive,micro\n'-b.mp4,,,,,,\n"
    (tmp_path / "events.csv").write_text(rows)
    table = read_event_table(tmp_path / "events.csv")
    assert table.events == (EVENTS[0].in_video("=a.mp4"),)
    assert table.quiet == ("-b.mp4",)


def test_a_byte_order_mark_hides_no_column(tmp_path: Path) -> None:
    rows = "clip,person,onset,apex,offset,label,kind\na.mp4,1,3,7,12,positive,micro\n"
    (tmp_path / "events.csv").write_text(rows, encoding="utf-8-sig")
    assert [event.video for event in read_event_table(tmp_path / "events.csv").events] == ["a.mp4"]
    (tmp_path / "events.json").write_text(json.dumps({"source": "a.mp4", "events": []}), encoding="utf-8-sig")
    assert read_event_table(tmp_path / "events.json").events == ()


@pytest.mark.parametrize(("path", "name"), [("v.1", "v.1"), ("a/v.1.MP4", "a/v.1"), ("./a/b/", "a/b"), ("", "")])
def test_only_the_extension_of_a_video_is_removed(path: str, name: str) -> None:
    assert drop_extension(path) == name


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.csv")
    with pytest.raises(StorageError, match="pipe"):
        read_event_table(tmp_path / "events.csv")


def test_videos_without_movements_are_known_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("clip,person,onset,apex,offset,kind\nf/b.mp4,,,,,\nf/c.mp4,1,1,2,3,micro\n")
    (tmp_path / "a.json").write_text(json.dumps([{"source": "f/b.mp4", "events": []}, {"events": []}]))
    for name in ("a.csv", "a.json"):
        assert read_event_table(tmp_path / name).quiet == ("f/b.mp4",)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"misuse": "x", "rows": [{"onset": 1}]}, "answer 1 .*events"),
        ([{"events": []}, {"films": []}], "answer 2 .*events"),
        ([], "no answer"),
    ],
)
def test_a_json_file_of_another_kind_is_refused(tmp_path: Path, answer: object, named: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(answer))
    with pytest.raises(StorageError, match=rf"a\.json.*{named}"):
        read_event_table(tmp_path / "a.json")


def test_answers_can_come_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = Thread(target=(tmp_path / "pipe").write_text, args=(json.dumps({"source": "a.mp4", "events": []}),))
    writer.start()
    assert read_event_table(tmp_path / "pipe").events == ()
    writer.join()
