"""`gaze-insight describe`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.options import (
    Cluster,
    ConfigFiles,
    Count,
    Overrides,
    Plugins,
    Presets,
    Quiet,
    Workers,
    compose_config,
)
from gaze_insight.errors import SettingsError
from gaze_insight.types import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gaze_insight.cohort.case import Case
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.config.run_config import RunConfig
    from gaze_insight.language.schema import Description

__all__ = ["describe"]

_Positive = Annotated[float, Parameter(validator=Number(gt=0))]
_PLACES = {
    "endpoint": "endpoint",
    "model": "model",
    "prompt": "prompt",
    "api_key_env": "api_key_env",
    "concurrency": "pace.concurrency",
    "max_requests": "budget.requests",
    "max_tokens": "budget.tokens",
    "max_cost": "budget.cost",
}


def describe(
    cohort: Path,
    /,
    *,
    out: Path | None = None,
    describer: Annotated[
        str | None, Parameter(show_default=False, help="measured, file, vlm, blank, random, or a plug-in's.")
    ] = None,
    endpoint: Annotated[
        str | None, Parameter(help="vlm: address of an OpenAI-compatible server, up to /v1.")
    ] = None,
    model: Annotated[str | None, Parameter(help="vlm: the model's name, as the server knows it.")] = None,
    prompt: Annotated[
        str | None,
        Parameter(help="vlm: paper, paper_gaze, paper_gaze_crop, blank, random, or your own YAML file."),
    ] = None,
    api_key_env: Annotated[
        str | None, Parameter(help="vlm: NAME of the environment variable that holds the key.")
    ] = None,
    concurrency: Annotated[Count | None, Parameter(help="vlm: cases asked about at the same time.")] = None,
    max_requests: Annotated[Count | None, Parameter(help="vlm: stop before more requests than this.")] = None,
    max_tokens: Annotated[
        Count | None, Parameter(help="vlm: stop before more tokens than this, prompts and answers together.")
    ] = None,
    max_cost: Annotated[
        _Positive | None,
        Parameter(help="vlm: stop before more money than this; needs language.describer.price."),
    ] = None,
    split: Annotated[Split | None, Parameter(help="Only the cases of this split.")] = None,
    limit: Annotated[Count | None, Parameter(help="vlm: ask about so many more cases at most.")] = None,
    dry_run: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="vlm: show the first request, the number of cases and the price at most; send nothing.",
        ),
    ] = False,
    again: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="vlm: ask again about cases that the model refused or never answered validly.",
        ),
    ] = False,
    check: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Hold the words against pseudo-mask and gaze: description_checks.csv and descriptions.html.",
        ),
    ] = False,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
) -> None:
    """Put each case into words: measured from image and gaze, read from a file, or asked of a model.

    A model is asked only here, never in training. Each answer is stored the moment it is there; stopped at
    any moment, the same command goes on, and no finished image is asked about twice. The flags of a model win
    over --set, which sets the rest: language.describer.*.

    Args:
        cohort: The cohort's folder.
        out: The file, .jsonl, .json or .csv; by default derived/descriptions.jsonl in the cohort's folder.
    """
    from gaze_insight.cli.lesions_only import open_for_lesions
    from gaze_insight.language.vlm.settings import VlmSettings

    given = {
        "endpoint": endpoint, "model": model, "prompt": prompt, "api_key_env": api_key_env,
        "concurrency": concurrency, "max_requests": max_requests, "max_tokens": max_tokens,
        "max_cost": max_cost,
    }  # fmt: skip
    settings = _compose(describer, given, presets, config, overrides, plugins)
    opened = open_for_lesions(cohort, "describe")
    cases = list(opened.cases.values()) if split is None else opened.subset(split)
    target = opened.folder / "derived" / "descriptions.jsonl" if out is None else out
    asked = settings.language.describer
    if not isinstance(asked, VlmSettings):
        _refuse("a describer that asks no model", limit=limit, dry_run=dry_run, again=again)
        described = _make(opened, settings, cases, target, workers, cluster, quiet=quiet)
        if check:
            _check(opened, settings, described, cases, target.parent, workers, cluster, quiet=quiet)
        return
    from gaze_insight.cli.asking import ask, tell_dry_run

    if not check:
        _refuse("a model that is asked", workers=workers, cluster=cluster)
    if settings.language.shuffled:
        raise SettingsError(
            "language.shuffled exchanges words where they are used; a model is asked about each case's own",
            remedy="leave it out here, and give it to the training",
        )
    if dry_run:
        tell_dry_run(opened, asked, cases, limit, again=again)
        return
    report = ask(opened, asked, cases, target, limit, again=again, quiet=quiet)
    if check and report.error is None and report.stopped is None:
        found = report.answers.described
        _check(opened, settings, found, cases, target.parent, workers, cluster, quiet=quiet)
    elif check:
        say("--check was left out, since not every case has been asked about")
    report.raise_if_unfinished()


def _compose(
    describer: str | None,
    given: Mapping[str, Any],
    presets: tuple[str, ...],
    config: tuple[Path, ...],
    overrides: tuple[str, ...],
    plugins: tuple[str, ...],
) -> RunConfig:
    """Put the describer before --set, whose settings may be its own, and the flags of a model behind it."""
    from gaze_insight.language.vlm.settings import VlmSettings

    flags = {name: value for name, value in given.items() if value is not None}
    if flags and describer is None:
        found = compose_config(presets, config, overrides, plugins).language
        if not isinstance(found.describer, VlmSettings):
            named = ", ".join(f"--{name.replace('_', '-')}" for name in flags)
            raise SettingsError(
                f"{named}: expected a describer that asks a model, found {found.describer_name!r}",
                remedy="add --describer vlm",
            )
    chosen = [] if describer is None else [_setting("kind", describer)]
    texts = [_setting(_PLACES[name], value) for name, value in flags.items()]
    try:
        settings = compose_config(presets, config, (*chosen, *overrides, *texts), plugins)
    except SettingsError as error:
        if "language.describer.model: expected a value" in error.message:
            raise SettingsError("no model is named that could be asked", remedy="add --model NAME") from error
        raise
    if describer is not None and settings.language.describer_name != describer:
        raise SettingsError(
            f"--describer {describer} and --set language.describer.kind={settings.language.describer_name} "
            "contradict each other",
            remedy="leave one of them out",
        )
    return settings


def _setting(key: str, value: object) -> str:
    return f"language.describer.{key}={json.dumps(value, ensure_ascii=False)}"


def _refuse(what: str, **flags: object) -> None:
    """Say which flags would have no effect."""
    without = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value]
    if without:
        raise SettingsError(f"{', '.join(without)}: no effect with {what}", remedy="leave it out")


def _make(
    opened: Cohort,
    settings: RunConfig,
    cases: list[Case],
    target: Path,
    workers: int | None,
    cluster: str | None,
    *,
    quiet: bool,
) -> dict[str, Description]:
    from gaze_insight.workflow.described_files import write_described
    from gaze_insight.workflow.describing import describe as make

    with show_progress(quiet=quiet) as progress:
        described = make(
            opened, settings.language, settings.labels,
            cases=cases, workers=workers, cluster=cluster, progress=progress,
        )  # fmt: skip
    write_described(target, described, _how_made(settings))
    say(f"{len(described)} of {len(cases)} cases described ({settings.language.describer_name}): {target}")
    return described


def _how_made(settings: RunConfig) -> dict[str, dict[str, Any]]:
    """What a file says of how its words were made, so that it is not lost on the way."""
    from gaze_insight.language.files import read_provenance
    from gaze_insight.language.from_file import FileSettings

    language = settings.language
    if isinstance(language.describer, FileSettings) and not language.shuffled:
        return read_provenance(language.describer.path)
    return {}


def _check(
    opened: Cohort,
    settings: RunConfig,
    described: Mapping[str, Description],
    cases: Iterable[Case],
    folder: Path,
    workers: int | None,
    cluster: str | None,
    *,
    quiet: bool,
) -> None:
    from gaze_insight.workflow.checking_report import check_notes, write_check_page, write_check_table
    from gaze_insight.workflow.checking_words import check_descriptions

    with show_progress(quiet=quiet) as progress:
        checked = check_descriptions(
            opened, described, settings.labels, settings.language.trust,
            cases=cases, workers=workers, cluster=cluster, progress=progress,
        )  # fmt: skip
    table, page = folder / "description_checks.csv", folder / "descriptions.html"
    write_check_table(checked, table)
    write_check_page(
        opened, checked, page, settings.labels, command=shlex.join(["gaze-insight", *sys.argv[1:]])
    )
    worst = checked.worst_first
    say(f"{len(checked.contradicted)} of {len(worst)} checked cases have words that label or gaze contradict")
    for sentence in check_notes(checked):
        say(f"  {sentence}")
    say(f"table: {table}")
    say(f"page: {page}")
