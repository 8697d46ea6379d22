"""Does dvc.lock match code, parameters and data.dvc? Needs neither data nor cache. Exit code 1 if a stage would run.

`dvc repro --dry` ends with 0 whether stages would run or not, so its words are read.
"""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Print the stages that are out of date, if any."""
    command = [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    stale = [line for line in output.splitlines() if line.startswith("Running stage")]
    skipped = output.count("didn't change, skipping")
    if done.returncode != 0 or stale or not skipped:
        print(output if not stale else "\n".join(stale))
        print(f"{Path.cwd() / 'dvc.lock'} does not match code and parameters. Run `make repro` and commit dvc.lock")
        return 1
    print(f"dvc.lock matches code and parameters ({skipped} stages)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
