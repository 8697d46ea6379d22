import pytest

import write_pins
from fakes import ROOT

BEFORE = "# How the pins were made.\nnumpy==2.0\nold_one==1\nTorch==2.12.0\n"
FREEZE = "torch==2.13.0+cpu\nnumpy==2.0\nadded==0.1\n"


def test_pins_have_the_comments_and_no_local_labels() -> None:
    expected = "# How the pins were made.\nadded==0.1\nnumpy==2.0\ntorch==2.13.0\n"
    assert write_pins.render_pins(FREEZE, BEFORE) == expected


def test_changed_new_and_removed_pins_are_listed() -> None:
    changes = write_pins.list_changes(BEFORE, write_pins.render_pins(FREEZE, BEFORE))
    assert changes == ["added (new) → 0.1", "old-one 1 → (removed)", "torch 2.12.0 → 2.13.0"]
    assert write_pins.list_changes("a_b==1\n", "A-b==1\n") == []


@pytest.mark.parametrize("line", ["-e /home/user/project", "name @ file:///wheel.whl", "name"])
def test_a_package_without_a_version_on_an_index_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=line):
        write_pins.render_pins(f"{line}\n", "")


def test_the_present_pins_are_what_the_tool_would_write() -> None:
    present = (ROOT / "constraints.txt").read_text()
    pins = "\n".join(line for line in present.splitlines() if not line.startswith("#"))
    assert write_pins.list_changes(present, write_pins.render_pins(pins, present)) == []
