"""The server of films as a command, for slow tests, and a film to send to it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from drawn_films import FPS, draw_face, smile

from processes import ENVIRONMENT


@contextmanager
def film_server(folder: Path, command: str, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a server in a folder during the block. Yield its address, without a slash at the end, and its process.

    Its temporary files lie in the folder `temporary`.
    """
    (folder / "temporary").mkdir(exist_ok=True)
    arguments = [sys.executable, "-m", "microfacial", command, "--port", "0", *options]
    environment = {**ENVIRONMENT, "TMPDIR": str(folder / "temporary")}
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), (folder / "server.log").read_text()
        yield "http://" + line.removeprefix("http://").partition("/")[0], process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()


def write_smiles(path: Path, codec: str, apexes: tuple[int, ...] = (20, 55), frames: int = 75) -> None:
    """Write a video of a face that moves a corner of its mouth around some frames."""
    heights = np.sum([smile(frames, apex) for apex in apexes], axis=0)
    height, width = draw_face().shape[:2]
    random = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (width, height))
    for value in heights:
        frame = draw_face(float(value)) + random.normal(0, 1.0, (height, width, 3))
        writer.write(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    writer.release()
