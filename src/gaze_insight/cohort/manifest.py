"""The cohort's two files: ``cohort.yaml`` for people and ``cases.jsonl`` for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import yaml
from pydantic import TypeAdapter

from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_record import chest_facts_of, chest_record
from gaze_insight.cohort.import_report import ImportReport
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.language.files import read_descriptions, read_provenance, write_descriptions
from gaze_insight.language.schema import Description
from gaze_insight.types import Size, Split

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort

__all__ = ["MANIFEST", "SCHEMA_VERSION", "read_manifest", "write_manifest"]

SCHEMA_VERSION = 1
"""Version of the files' form; a reader refuses a newer one."""

MANIFEST = "cohort.yaml"
_CASES = "cases.jsonl"
_DESCRIPTIONS = Path("derived") / "descriptions.jsonl"
_IN_COHORT = "cohort:"
_HEADER = "# Made by gaze-insight. Edit `root` when the images have moved, `splits` to split otherwise.\n"
_KEYS = {"schema_version", "name", "root", "cases", "source", "splits", "report"}

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_RECORDING: TypeAdapter[RecordingFacts] = TypeAdapter(RecordingFacts)


def write_manifest(cohort: Cohort) -> None:
    """Write a cohort's files into its folder.

    Image and mask paths are stored relative to the cohort's root where they lie in it; files in the cohort's
    folder, such as masks that an importer cut out of volumes, as ``cohort:`` and the path in that folder, so
    that the folder can be moved; others absolute. The root is stored relative to the cohort's folder where it
    is that folder or lies in it, else absolute. Descriptions that differ from those in the folder are written
    anew; those that stay keep the record of how they were made.

    Args:
        cohort: The cohort.

    Raises:
        DataError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from gaze_insight.cohort.cohort import Cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_manifest(Cohort("empty", Path(folder), {}))
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['cases.jsonl', 'cohort.yaml']
    """
    root, folder = None if cohort.root is None else cohort.root.resolve(), cohort.folder.resolve()
    records = (_case_record(case, root, folder) for case in cohort.cases.values())
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": cohort.name,
        "root": None if root is None else _relative(root, folder),
        "cases": len(lines),
        "source": dict(cohort.source),
        "splits": {split: list(ids) for split, ids in cohort.splits.items()},
        "report": cohort.report.to_record(),
    }
    text = yaml.dump(facts, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    write_text_atomic(cohort.folder / _CASES, "".join(line + "\n" for line in lines))
    write_text_atomic(cohort.folder / MANIFEST, _HEADER + text)
    described = {one: case.description for one, case in cohort.cases.items() if case.description is not None}
    if described:
        _write_described(cohort.folder / _DESCRIPTIONS, described)


def _write_described(path: Path, described: Mapping[str, Description]) -> None:
    """A damaged file counts as none, since it is replaced."""
    try:
        before, made = (read_descriptions(path), read_provenance(path)) if path.exists() else ({}, {})
    except DataError:
        before, made = {}, {}
    if before == described:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {one: how for one, how in made.items() if before[one] == described.get(one)}
    write_descriptions(path, described, kept)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the parts of a cohort from its files.

    Args:
        folder: The cohort's folder, or its ``cohort.yaml``.

    Returns:
        The fields of a `Cohort` by name, its cases with the descriptions that lie in
        ``derived/descriptions.jsonl``.

    Raises:
        DataError: A file is missing or damaged; the message names it and the line.

    Example:
        >>> read_manifest(Path("nowhere/cohort.yaml"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere/cohort.yaml: there is no cohort here
          -> make one with 'gaze-insight import', or check the path
    """
    if folder.name == MANIFEST:
        folder = folder.parent
    manifest = folder / MANIFEST
    facts = _read_facts(manifest)
    root = _root(facts.get("root"), folder, manifest)
    cases = dict(_read_cases(folder / _CASES, root, folder.resolve()))
    if facts["cases"] != len(cases):
        raise DataError(
            f"expected {facts['cases']} cases as {MANIFEST} says, found {len(cases)}",
            path=folder / _CASES,
            remedy="import the cohort again; what is derived stays valid",
        )
    described = folder / _DESCRIPTIONS
    if described.is_file():
        for one, description in read_descriptions(described).items():
            if one in cases:
                cases[one] = replace(cases[one], description=description)
    try:
        report = ImportReport.from_record(facts.get("report") or {})
    except DataError as error:
        raise DataError(error.message, path=manifest, remedy=error.remedy) from error
    return {
        "name": str(facts["name"]),
        "folder": folder,
        "cases": cases,
        "splits": _splits(facts.get("splits"), manifest),
        "report": report,
        "source": facts.get("source") or {},
        "root": root,
    }


def _read_facts(manifest: Path) -> dict[str, Any]:
    if not manifest.is_file():
        raise DataError(
            "there is no cohort here",
            path=manifest,
            remedy="make one with 'gaze-insight import', or check the path",
        )
    try:
        facts = yaml.load(manifest.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(
            f"the file is not valid YAML: {getattr(error, 'problem', error)}",
            path=manifest,
            row=None if mark is None else mark.line + 1,
        ) from error
    if not isinstance(facts, dict) or not {"schema_version", "name", "cases"} <= facts.keys():
        raise DataError("expected the keys schema_version, name and cases", path=manifest)
    version = facts["schema_version"]
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise DataError(
            f"expected schema_version {SCHEMA_VERSION} or lower, found {version!r}",
            path=manifest,
            remedy="install a newer gaze-insight",
        )
    unknown = sorted(str(key) for key in facts.keys() - _KEYS)
    if unknown:
        raise DataError(
            f"unknown key {unknown[0]!r}", path=manifest, remedy=f"known keys: {', '.join(sorted(_KEYS))}"
        )
    return facts


def _read_cases(path: Path, root: Path | None, folder: Path) -> Iterator[tuple[str, Case]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the list of cases cannot be read: {error}", path=path, remedy="import the cohort again"
        ) from error
    seen: set[str] = set()
    for row, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            case = _case(json.loads(line), root, folder)
        except DataError as error:
            raise DataError(error.message, path=path, row=row, remedy=error.remedy) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"the line is not a case: {error}", path=path, row=row, remedy="import the cohort again"
            ) from error
        if case.id in seen:
            raise DataError(f"case {case.id!r} is listed twice", path=path, row=row)
        seen.add(case.id)
        yield case.id, case


def _case_record(case: Case, root: Path | None, folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = {"id": case.id, "image": _stored(case.image_path.resolve(), root, folder)}
    if case.mask_path is not None:
        record["mask"] = _stored(case.mask_path.resolve(), root, folder)
    if case.image_size is not None:
        record["size"] = list(case.image_size)
    if case.patient is not None:
        record["patient"] = case.patient
    if case.spacing_mm is not None:
        record["spacing_mm"] = list(case.spacing_mm)
    if case.meta:
        record["meta"] = dict(case.meta)
    if case.chest is not None:
        record["chest"] = chest_record(case.chest)
    if case.fixations is not None and not _is_in_chest(case):
        record["fixations"] = _fixations_record(case.fixations)
    if case.recording is not None:
        record["recording"] = {
            name: value for name, value in asdict(case.recording).items() if value is not None
        }
    return record


def _case(record: Mapping[str, Any], root: Path | None, folder: Path) -> Case:
    mask, size, spacing = record.get("mask"), record.get("size"), record.get("spacing_mm")
    patient, gaze, recording = record.get("patient"), record.get("fixations"), record.get("recording")
    chest = record.get("chest")
    return Case(
        id=str(record["id"]),
        image_path=_placed(record["image"], root, folder),
        mask_path=None if mask is None else _placed(mask, root, folder),
        fixations=None if gaze is None else _fixations(gaze),
        patient=None if patient is None else str(patient),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        image_size=_size(size),
        meta={str(key): str(value) for key, value in record.get("meta", {}).items()},
        recording=None if recording is None else _RECORDING.validate_python(recording),
        chest=None if chest is None else chest_facts_of(chest),
    )


def _is_in_chest(case: Case) -> bool:
    return case.chest is not None and case.fixations is case.chest.first_look()


def _fixations_record(fixations: Fixations) -> dict[str, Any]:
    record: dict[str, Any] = {"frame": fixations.frame, "rows": fixations.to_rows()}
    if fixations.image_size is not None:
        record["image_size"] = list(fixations.image_size)
    if fixations.annotator is not None:
        record["annotator"] = fixations.annotator
    return record


def _fixations(record: Mapping[str, Any]) -> Fixations:
    return Fixations.from_rows(
        record["rows"],
        frame=record["frame"],
        image_size=_size(record.get("image_size")),
        annotator=record.get("annotator"),
    )


def _size(pair: Any) -> Size | None:
    return None if pair is None else Size(int(pair[0]), int(pair[1]))


def _relative(path: Path, base: Path | None) -> str:
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base).as_posix()
    return path.as_posix()


def _stored(path: Path, root: Path | None, folder: Path) -> str:
    """The inverse of `_placed`."""
    in_root = root is not None and path.is_relative_to(root)
    moves_with_folder = root is not None and root.is_relative_to(folder)
    if path.is_relative_to(folder) and not (in_root and moves_with_folder):
        return _IN_COHORT + path.relative_to(folder).as_posix()
    text = _relative(path, root)
    return f"./{text}" if text.startswith(_IN_COHORT) else text


def _placed(stored: str, root: Path | None, folder: Path) -> Path:
    if stored.startswith(_IN_COHORT):
        return folder / stored.removeprefix(_IN_COHORT)
    return (Path() if root is None else root) / stored


def _root(stored: Any, folder: Path, manifest: Path) -> Path | None:
    if stored is None:
        return None
    root = folder / str(stored)
    if not root.is_dir():
        raise DataError(
            f"the images' folder {root} does not exist",
            path=manifest,
            remedy="edit `root` in this file to where the images are now",
        )
    return root


def _splits(stored: Any, manifest: Path) -> dict[Split, tuple[str, ...]]:
    if stored is None:
        return {}
    if not isinstance(stored, dict) or not all(isinstance(ids, list) for ids in stored.values()):
        raise DataError(
            f"expected `splits` with lists of ids under {', '.join(get_args(Split))}", path=manifest
        )
    return {cast(Split, split): tuple(str(one) for one in ids) for split, ids in stored.items()}
