"""Check that dvc.lock matches code, parameters and data.dvc. The exit code is 1 if `dvc repro` would run a stage.

The check needs neither data nor DVC's cache. It reads the output of `dvc repro --dry`, whose exit code is always 0.
"""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Print the stages that `dvc repro` would run. Return the exit code."""
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
