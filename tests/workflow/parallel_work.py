"""What the workers of `test_parallel` do; a small module, since each of them imports it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from gaze_insight.errors import DataError


def square(number: int) -> int:
    if number == 7:
        raise DataError("seven is damaged", path="seven.png", row=3, remedy="take eight")
    return number * number


def tell(number: int) -> dict[str, object]:
    import cv2

    if number == 7:
        square(number)
    time.sleep(0.002)
    return {
        "process": os.getpid(),
        "opencv": cv2.getNumThreads(),
        "openmp": os.environ.get("OMP_NUM_THREADS"),
        "trimming": os.environ.get("MALLOC_TRIM_THRESHOLD_"),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    }


def end_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return -number


def note_slowly(folder: Path, number: int) -> None:
    time.sleep(0.1)
    (folder / str(number)).touch()


def break_down(number: int) -> None:
    raise RuntimeError("a mistake of the programmer")
