"""Write constraints.txt from the packages of the Python that runs this, and print the changes. `make pins` uses it."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_PINS = Path(__file__).parent.parent / "constraints.txt"
_OWN = "microfacial"
_HEADER = "# "


def main() -> int:
    """Write the pins. Return the exit code: 2 if pip fails."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude", _OWN]
    done = subprocess.run(freeze, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        return 2
    before = _PINS.read_text(encoding="utf-8")
    after = render_pins(done.stdout, before)
    _PINS.write_text(after, encoding="utf-8")
    print("\n".join(list_changes(before, after)) or "no pin has changed")
    return 0


def render_pins(freeze: str, before: str) -> str:
    """Return the text of constraints.txt.

    Args:
        freeze: output of `pip freeze`. Local labels of versions, such as `+cpu`, are left out.
        before: present text of constraints.txt, whose comments are kept.

    Raises:
        ValueError: a package was not installed from an index, so it has no pin.
    """
    comments = [line for line in before.splitlines() if line.startswith(_HEADER)]
    pins = [re.sub(r"\+.*", "", line) for line in freeze.splitlines() if line.strip()]
    for pin in pins:
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+", pin):
            raise ValueError(f"{pin!r} is not a package of an index. Install it from an index")
    return "\n".join([*comments, *sorted(pins, key=str.lower), ""])


def list_changes(before: str, after: str) -> list[str]:
    """Return one line for each package whose pin differs.

    Args:
        before: old text of constraints.txt.
        after: new text of constraints.txt.
    """
    old, new = _parse(before.splitlines()), _parse(after.splitlines())
    names = sorted(old.keys() | new.keys())
    return [
        f"{name} {old.get(name, '(new)')} → {new.get(name, '(removed)')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _parse(lines: Iterable[str]) -> dict[str, str]:
    """Return versions by name. Names are compared without regard to case and to the kind of hyphen."""
    pins = (line.split("==", 1) for line in lines if "==" in line and not line.startswith(_HEADER))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


if __name__ == "__main__":
    sys.exit(main())
