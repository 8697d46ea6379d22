"""Make sure that OpenCV loads: where a system library for its windows is missing, take the headless build instead."""

import subprocess
import sys
from importlib import metadata

WINDOWED, HEADLESS = "opencv-python", "opencv-python-headless"


def main() -> int:
    """Return 0 once `import cv2` works, else what pip or Python returned."""
    failure = load_failure()
    if failure is None:
        return 0
    version = metadata.version(WINDOWED)
    print(f"{WINDOWED} cannot load ({failure}): taking {HEADLESS} {version}, the same library without windows")
    pip("uninstall", "--yes", WINDOWED)
    pip("install", "--no-deps", "--force-reinstall", f"{HEADLESS}=={version}")
    failure = load_failure()
    if failure is not None:
        print(f"{HEADLESS} cannot load either: {failure}", file=sys.stderr)
        return 2
    return 0


def load_failure() -> str | None:
    """What `import cv2` says in a process of its own, or None if it works."""
    done = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def pip(*arguments: str) -> None:
    """Run this environment's pip."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
