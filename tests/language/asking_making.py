"""A cohort of small pictures, a served model, and what was asked of it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
from vlm_server import VlmServer

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.vlm.settings import VlmSettings

FAST = {"backoff_s": 0.01, "concurrency": 4}
SECRET = "sk-very-secret-0123456789"


@pytest.fixture(scope="module", name="shared")
def start_server():
    with VlmServer() as server:
        yield server


@pytest.fixture(name="server")
def serve(shared):
    shared.script()
    shared.configure(rate=0.0, latency_s=0.0, slots=0, key=None, retry_after_s=0.02)
    return shared


@pytest.fixture(name="seen")
def see_requests(server):
    """The requests since the test began."""
    start = len(server.log())
    return lambda: server.log()[start:]


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def make_cohort(folder: Path, count: int = 6, *, gaze: bool = False) -> Cohort:
    images = folder / "patient-images"
    images.mkdir(parents=True)
    cases = {}
    for number in range(count):
        path = images / f"smith-{number}.png"
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8))
        looked = Fixations.from_rows([[0.5, 0.5, 200.0, 0.0]], frame="image_unit") if gaze else None
        cases[path.stem] = Case(id=path.stem, image_path=path, fixations=looked)
    ids = tuple(cases)
    cohort = Cohort(
        "polyps", folder / "cohort", cases, {"train": ids[: count // 2], "test": ids[count // 2 :]}
    )
    cohort.save()
    return cohort


def settings_for(server: VlmServer, **changes) -> VlmSettings:
    return VlmSettings(**({"endpoint": server.endpoint, "model": "eye", "pace": FAST} | changes))


def flags_for(cohort: Cohort, server: VlmServer, *more: str) -> list[str]:
    return [
        "describe", str(cohort.folder), "--describer", "vlm", "--endpoint", server.endpoint, "--model", "eye",
        "--set", "language.describer.pace.backoff_s=0.01", "--quiet", *more,
    ]  # fmt: skip


def pictures_in(request: dict) -> list[str]:
    """SHA-256 of each picture of a request."""
    content = [
        part for one in request["body"]["messages"] for part in one["content"] if isinstance(part, dict)
    ]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return [hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest() for url in urls]


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stored_in(cohort: Cohort) -> list[dict]:
    return [
        json.loads(path.read_text()) for path in (cohort.derived.folder / "vlm-description").glob("*.json")
    ]
