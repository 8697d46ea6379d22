from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import make_clip
from microfacial.datasets.damage_lists import ListedPath, add_damage, read_damage_lists
from microfacial.datasets.validation import CheckedRow, Remark


def make_row(name: str, frames: str = "", **changes: object) -> CheckedRow:
    clip = make_clip(corpus="c", subject="s", name=name, frames=frames, **changes) if frames else None
    missing = () if clip else (Remark("missing", "no frames"),)
    return CheckedRow(name=f"c/s/{name} (table, row 2)", clip=clip, labels={}, remarks=missing)


ROWS = (
    make_row("a", "part/s/a/color/{:05d}.jpg", onset=3, apex=4, offset=6),
    make_row("b", "videos/b.avi"),
    make_row("gone"),
)


@pytest.mark.parametrize(
    ("line", "row", "text"),
    [
        ("s/a/color/00003.jpg", 0, "1 of its frames"),
        ("C:\\x\\part\\s\\a\\color\\3.JPG", 0, "1 of its frames"),
        ("./part/s/a/color/", 0, "listed as damaged"),
        ("s/a", 0, "listed as damaged"),
        ("videos/b.avi", 1, "listed as damaged"),
        ("b", 1, "listed as damaged"),
        ("s/gone", 2, "listed as damaged"),
        ("root/s/gone/img7.jpg", 2, "1 of its frames"),
    ],
)
def test_a_line_matches_a_clip_or_a_frame(tmp_path: Path, line: str, row: int, text: str) -> None:
    (tmp_path / "Exception").mkdir()
    (tmp_path / "Exception" / "list.txt").write_text(f"\n{line}\n")
    lines, unread = read_damage_lists(tmp_path)
    assert unread == ()
    rows, unmatched = add_damage(ROWS, lines)
    assert unmatched == []
    marked = [number for number, (old, new) in enumerate(zip(ROWS, rows, strict=True)) if old != new]
    assert marked == [row]
    assert text in rows[row].remarks[-1].text
    assert "Exception/list.txt" in rows[row].remarks[-1].text


@pytest.mark.parametrize("line", ["s/a/color/00002.jpg", "s/a/color/00007", "t/a", "x", "a/color/3.jpg.bak"])
def test_a_line_without_a_match_is_named_with_its_number(line: str) -> None:
    rows, (text,) = add_damage(ROWS, [ListedPath(tuple(line.split("/")), "exception/list.txt, line 7")])
    assert rows == list(ROWS)
    assert text.startswith(f"exception/list.txt, line 7: '{line}' matches no clip")


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_content_gives_lines_or_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "exception").mkdir(exist_ok=True)
    (tmp_path / "exception" / "list").write_bytes(content)
    lines, unread = read_damage_lists(tmp_path)
    assert len(unread) == (b"\0" in content)
    _, unmatched = add_damage(ROWS, lines)
    assert len(unmatched) <= len(lines)
