"""Make sure that OpenCV can be imported.

If a system library for OpenCV's windows is missing, install the headless build instead.
"""

import subprocess
import sys
from importlib import metadata

WINDOWED, HEADLESS = "opencv-python", "opencv-python-headless"


def main() -> int:
    """Return 0 if `import cv2` works, possibly after installing the headless build. Otherwise return 2."""
    failure = import_error()
    if failure is None:
        return 0
    version = metadata.version(WINDOWED)
    print(
        f"{WINDOWED} cannot be imported ({failure}). Installing {HEADLESS} {version}, the same library without windows"
    )
    pip("uninstall", "--yes", WINDOWED)
    pip("install", "--no-deps", "--force-reinstall", f"{HEADLESS}=={version}")
    failure = import_error()
    if failure is not None:
        print(f"{HEADLESS} cannot be imported either: {failure}", file=sys.stderr)
        return 2
    return 0


def import_error() -> str | None:
    """Import cv2 in another process. Return the last line of the error, or None if it works."""
    done = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def pip(*arguments: str) -> None:
    """Run the pip of this environment."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
