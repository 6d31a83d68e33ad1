"""`predict` for a run on chest radiographs: probabilities, report, page and overlay for any image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight import __version__
from gaze_insight.atomic import write_text_atomic
from gaze_insight.chest.report import ChestReport, ReportSettings, compose_report
from gaze_insight.chest.report_writer import WriterSettings, WrittenReport, write_reports
from gaze_insight.chest.sentences import certainty_of
from gaze_insight.cohort.images import write_png
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.insight.radiograph_layers import outlines_of, overlay_picture
from gaze_insight.insight.radiograph_page import (
    FindingBar,
    ListedRadiograph,
    RadiographContent,
    write_radiograph,
    write_radiograph_list,
)
from gaze_insight.types import FloatArray, Progress, silent
from gaze_insight.workflow.chest.loading import ChestRun, load_chest_run
from gaze_insight.workflow.chest.reading_images import RadiographFile, read_radiograph
from gaze_insight.workflow.chest.reports import MAP_SIZE
from gaze_insight.workflow.predicting import find_images

__all__ = ["PredictedRadiograph", "RadiographPredictions", "predict_radiographs"]

OnBad = Literal["raise", "skip"]


@dataclass(frozen=True)
class PredictedRadiograph:
    """What is said of one image.

    Args:
        probabilities: Finding to probability in [0, 1].
        report: The report.
        page: The HTML page.
        view: PA or AP as the file states it; empty where it does not.
        notes: What a reader must know first.
        writer: How a language model worded it; None where none was asked.

    Example:
        >>> PredictedRadiograph({"Edema": 0.2}, ChestReport(()), Path("a.html")).called({"Edema": 0.5})
        {}
    """

    probabilities: Mapping[str, float]
    report: ChestReport
    page: Path
    view: str = ""
    notes: tuple[str, ...] = ()
    writer: Mapping[str, Any] | None = None

    def called(self, thresholds: Mapping[str, float]) -> dict[str, float]:
        """Give the findings at or above their threshold, the surest first.

        Args:
            thresholds: Finding to threshold.

        Returns:
            Finding to probability.
        """
        above = [(name, p) for name, p in self.probabilities.items() if p >= thresholds[name]]
        return dict(sorted(above, key=lambda one: -one[1]))


@dataclass
class RadiographPredictions:
    """What was predicted.

    Attributes:
        images: File name to what is said of it.
        failed: Path to message of the images that were skipped.
        thresholds: Finding to threshold.
        calibrated: Whether probabilities are calibrated, of some finding at least.
        index: The page that lists the images; None for one image.
    """

    images: dict[str, PredictedRadiograph] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    calibrated: bool = True
    index: Path | None = None


@dataclass(frozen=True)
class _Read:
    """One image with what the network says: maps over the image."""

    file: RadiographFile
    probabilities: dict[str, float]
    attention: dict[str, FloatArray]
    overall: FloatArray
    report: ChestReport


def predict_radiographs(
    run: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    device: str = "auto",
    on_bad: OnBad = "raise",
    settings: ReportSettings | None = None,
    writer: WriterSettings | None = None,
    progress: Progress = silent,
) -> RadiographPredictions:
    """Read radiographs and write ``NAME.html``, ``NAME.json`` and ``NAME.png`` for each.

    The page shows the report with each sentence's region, attention and probability; the JSON holds the same
    as values; the PNG is the image with the attention of what is called and the named regions. Several images
    get an ``index.html``.

    Args:
        run: The run's folder.
        images: Image files (PNG, JPEG, DICOM, ...) and folders of images.
        out: Folder for the results; made where missing.
        device: Where to compute.
        on_bad: What an image that cannot be read does: stop, or be skipped and listed.
        settings: How reports are made.
        writer: A language model that words the reports; it gets the facts, never the image. None: templates.
        progress: Receives progress in images.

    Returns:
        What was predicted and what was skipped; files written before a failure stay.

    Raises:
        DataError: The run is not finished, an image cannot be read, or the output cannot be written.
        SettingsError: The run reads texts, not images; or the writer's endpoint cannot be used.

    Example:
        >>> predict_radiographs("nowhere", ["a.png"], "out")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: a.png: expected an image or a folder of images, found nothing
    """
    paths, chosen, target = (
        find_images([Path(one) for one in images]),
        settings or ReportSettings(),
        Path(out),
    )
    loaded = load_chest_run(run, device=device)
    if loaded.predictor.needs_text:
        raise SettingsError(
            f"the run {loaded.folder.path} reads texts: it is a control and cannot read an image",
            remedy="predict with a run of another method",
        )
    done = RadiographPredictions(
        thresholds={name: float(t) for name, t in zip(loaded.findings, loaded.thresholds, strict=True)},
        calibrated=loaded.is_calibrated,
    )
    names = {path.stem for path in paths}
    listing = "" if len(paths) < 2 else "index.html" if "index" not in names else "_index.html"
    for batch in _batches(loaded, paths, done, on_bad, progress):
        read = _read(loaded, batch, done.thresholds, chosen)
        written = None if writer is None else write_reports([one.report for one in read], writer)
        for number, one in enumerate(read):
            words = None if written is None else written[number]
            done.images[one.file.path.name] = _write(loaded, one, words, target, done, chosen, listing)
    progress("reading radiographs", len(paths), len(paths))
    if listing:
        done.index = target / listing
        write_radiograph_list(
            _rows(done), done.index, run=str(loaded.folder.path), created=_today(), version=__version__
        )
    return done


def _batches(
    run: ChestRun, paths: Sequence[Path], done: RadiographPredictions, on_bad: OnBad, progress: Progress
) -> Iterator[list[RadiographFile]]:
    """Files that can be read, as many at a time as the network takes."""
    batch: list[RadiographFile] = []
    for number, path in enumerate(paths):
        progress("reading radiographs", number, len(paths))
        try:
            batch.append(read_radiograph(path))
        except DataError as error:
            if on_bad == "raise":
                raise
            done.failed[str(path)] = str(error)
        if len(batch) == run.config.prediction.batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(
    run: ChestRun, files: Sequence[RadiographFile], thresholds: Mapping[str, float], settings: ReportSettings
) -> list[_Read]:
    found = run.predictor.predict([one.image for one in files])
    probabilities = run.probabilities(found)
    read = []
    for row, file in enumerate(files):
        place = found.places[row]
        maps = [np.clip(place.map_on_image(one, MAP_SIZE), 0, None) for one in found.class_attention[row]]
        attention = dict(zip(run.findings, maps, strict=True))
        own = {name: float(p) for name, p in zip(run.findings, probabilities[row], strict=True)}
        report = compose_report(own, thresholds, class_attention=attention, settings=settings)
        overall = np.clip(place.map_on_image(found.attention[row], MAP_SIZE), 0, None)
        read.append(_Read(file, own, attention, overall, report))
    return read


def _write(
    run: ChestRun,
    read: _Read,
    words: WrittenReport | None,
    target: Path,
    done: RadiographPredictions,
    settings: ReportSettings,
    listing: str,
) -> PredictedRadiograph:
    file, report = read.file, read.report if words is None else words.report
    notes = list(file.notes)
    if not done.calibrated:
        notes.append(
            "No probability is calibrated: the run was not evaluated, or has too few validation cases. "
            "Thresholds that could not be chosen are 0.5."
        )
    if words is not None and not words.worded:
        notes.append(f"The words are those of the templates, not the model's: {words.record['fallback']}.")
    bars = [
        FindingBar(name, p, done.thresholds[name], certainty_of(p, done.thresholds[name], settings.sentences))
        for name, p in read.probabilities.items()
    ]
    stem = file.path.stem
    page = target / f"{stem}.html"
    content = RadiographContent(
        name=file.path.name,
        image=file.image,
        report=report,
        bars=bars,
        attention=read.attention,
        overall=read.overall,
        notes=notes,
        facts={
            "Run": str(run.folder.path),
            "View": file.view or "not stated",
            "Method": run.config.method_name,
        },
        calibrated=done.calibrated,
        listing=listing,
        created=_today(),
        version=__version__,
    )
    write_radiograph(content, page)
    write_png(target / f"{stem}.png", _overlay(read))
    predicted = PredictedRadiograph(
        read.probabilities, report, page, file.view, tuple(notes), None if words is None else words.record
    )
    record = _record(run, file, predicted, bars, done)
    write_text_atomic(target / f"{stem}.json", json.dumps(record, indent=2) + "\n")
    return predicted


def _overlay(read: _Read) -> Any:
    """The image with the attention of what is called and the regions that sentences name."""
    called = [one for one in read.report.section("findings") if one.grounding is not None]
    seen = [one for one in called if one.provenance in ("attention", "box")]
    regions = {r.name: r for one in seen for r in (one.grounding.regions if one.grounding else ())}
    maps = [read.attention[one.finding] for one in seen if one.finding]
    shown = np.max([one / one.max() for one in maps if one.max() > 0], axis=0) if maps else read.overall
    return overlay_picture(read.file.image, shown, outlines_of(list(regions.values())))


def _record(
    run: ChestRun,
    file: RadiographFile,
    predicted: PredictedRadiograph,
    bars: Sequence[FindingBar],
    done: RadiographPredictions,
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "image": file.path.name,
        "image_px": [file.image.shape[1], file.image.shape[0]],
        "view": file.view or None,
        "run": str(run.folder.path),
        "version": __version__,
        "calibrated": done.calibrated,
        "notes": list(predicted.notes),
        "findings": {
            bar.finding: {
                "probability": round(bar.probability, 4),
                "threshold": round(bar.threshold, 4),
                "called": bar.called,
                "certainty": bar.certainty,
            }
            for bar in bars
        },
        "report": predicted.report.to_json(),
    }
    return record if predicted.writer is None else record | {"writer": dict(predicted.writer)}


def _rows(done: RadiographPredictions) -> list[ListedRadiograph]:
    rows = [
        ListedRadiograph(
            name,
            one.page.name,
            " ".join(sentence.text for sentence in one.report.section("impression")),
            one.called(done.thresholds),
            len(one.notes) + len(one.report.notes),
        )
        for name, one in done.images.items()
    ]
    return rows + [ListedRadiograph(Path(path).name, "", said) for path, said in done.failed.items()]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
