"""Finds the Chromium that tests and pictures look at the report with, and installs it where that is allowed.

Nothing is downloaded from elsewhere than the system's packages: Playwright drives whatever Chromium there is.
"""

import os
import shutil
import subprocess
import sys

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PACKAGES = ("chromium", "fonts-liberation")  # the second has letters to draw text with
REMEDY = "no Chromium found: install the system's package chromium, or Google Chrome, then run this again"


def find() -> str | None:
    """Path of a Chromium that starts, or None."""
    return next((path for path in filter(None, map(shutil.which, NAMES)) if _starts(path)), None)


def _starts(path: str) -> bool:
    """Whether it is a browser, and not a stub that asks for another installer."""
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def main() -> int:
    """Return 0 once there is one, else print what to do and return 2."""
    if find() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        print("installing Chromium, which tests of the report look at it with")
        for step in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
            subprocess.run(["apt-get", "-qq", *step], env=quiet, stdout=subprocess.DEVNULL, check=False)
    if find() is None:
        print(REMEDY, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
