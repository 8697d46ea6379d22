"""Find Chromium for the tests and pictures of the report. Install it if this process may install system packages.

Playwright uses this browser and downloads none.
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
PACKAGES = ("chromium", "fonts-liberation")  # the browser, and fonts for its text
REMEDY = "Chromium is missing. Install the system's package chromium, or Google Chrome, then run this again"


def find() -> str | None:
    """Return the path of a Chromium that starts, or None."""
    return next((path for path in filter(None, map(shutil.which, NAMES)) if _starts(path)), None)


def _starts(path: str) -> bool:
    """Return whether the file is a browser. Some systems have a stub that only names another installer."""
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def main() -> int:
    """Install Chromium if it is missing and apt-get may be used. Return 0, or print the remedy and return 2."""
    if find() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        print("installing Chromium for the tests of the report")
        for step in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
            subprocess.run(["apt-get", "-qq", *step], env=environment, stdout=subprocess.DEVNULL, check=False)
    if find() is None:
        print(REMEDY, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
