"""What `describe` says where a model is asked: the request to be sent, the cost so far, the account."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaze_insight.cli.console import count_of, print_json, say, show_progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gaze_insight.cohort.case import Case
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.language.vlm.budget import Spending
    from gaze_insight.language.vlm.settings import VlmSettings
    from gaze_insight.workflow.asking_model import AskReport

__all__ = ["ask", "shorten_pictures", "tell_dry_run"]

_DATA_URL = re.compile(r"^data:([\w/+.-]+);base64,")
_SHOWN = 24
_FAULTS = {
    "refused": "the model declined",
    "invalid": "no valid answer, mended or not",
    "rejected": "the server found the request wrong",
    "unavailable": "no answer after all tries",
}


def shorten_pictures(value: Any) -> Any:
    """Cut the base64 text of each picture in a request, and say how long it is.

    Args:
        value: Plain values.

    Returns:
        The same with each data URL shortened.

    Example:
        >>> shorten_pictures({"url": "data:image/png;base64," + "A" * 4000})
        {'url': 'data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAA... (3,000 bytes as 4,000 base64 characters)'}
    """
    if isinstance(value, dict):
        return {name: shorten_pictures(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [shorten_pictures(one) for one in value]
    found = _DATA_URL.match(value) if isinstance(value, str) else None
    if found is None:
        return value
    code = value[found.end() :]
    size = len(code) * 3 // 4 - code[-2:].count("=")
    return f"{found.group()}{code[:_SHOWN]}... ({size:,} bytes as {len(code):,} base64 characters)"


def tell_dry_run(
    cohort: Cohort, settings: VlmSettings, cases: Iterable[Case], limit: int | None, *, again: bool
) -> None:
    """Show the first request as it would be sent, and what all would take; nothing is sent.

    Args:
        cohort: The cohort.
        settings: Who is asked what.
        cases: The cases.
        limit: The most questions to ask.
        again: Ask again about cases that failed for good.
    """
    from gaze_insight.workflow.asking_model import foresee, plan_asking

    plan = plan_asking(cohort, settings, cases=cases, limit=limit, again=again)
    forecast = foresee(settings, plan)
    asked_about = sum(map(len, plan.questions.values()))
    key = {} if settings.api_key_env is None else {"Authorization": f"Bearer ${settings.api_key_env}"}
    request = {
        "method": "POST",
        "url": f"{settings.endpoint}/chat/completions",
        "headers": {"Content-Type": "application/json", **key},
        "body": shorten_pictures(forecast.request),
    }
    print_json(
        {
            "sent": "nothing",
            "first_case": forecast.case_id,
            "first_request": request if forecast.case_id is not None else None,
            "cases": {
                "to_ask": asked_about,
                "cached": len(plan.known.described),
                "failed_for_good": len(plan.known.failed),
                "kept_back": len(plan.kept_back),
                "left_by_limit": len(plan.limited),
            },
            "kept_back": plan.kept_back,
            "estimate": {
                "requests": len(plan.questions),
                "prompt_tokens": forecast.prompt_tokens,
                "completion_tokens_at_most": forecast.completion_tokens,
                "cost_at_most": round(forecast.cost, 6) if settings.price.known else None,
                "currency": settings.price.currency,
                "without": "repair turns and further tries",
            },
        }
    )


def ask(
    cohort: Cohort,
    settings: VlmSettings,
    cases: Iterable[Case],
    target: Path,
    limit: int | None,
    *,
    again: bool,
    quiet: bool,
) -> AskReport:
    """Ask the model, write what it said, and give the account.

    Args:
        cohort: The cohort.
        settings: Who is asked what.
        cases: The cases.
        target: The file of the descriptions.
        limit: The most questions to ask.
        again: Ask again about cases that failed for good.
        quiet: Show no progress.

    Returns:
        What was done; written and told already.
    """
    from gaze_insight.workflow.asking_model import ask_model
    from gaze_insight.workflow.described_files import write_asked

    note = ""

    def watch(report: AskReport) -> None:
        nonlocal note
        note = spent_so_far(report.spending, settings)

    with show_progress(quiet=quiet, note=lambda: note) as progress:
        report = ask_model(
            cohort, settings, cases=cases, limit=limit, again=again, progress=progress, watch=watch
        )
    failed = write_asked(target, report)
    _tell(report, settings)
    if report.answers.described or report.error is None:
        say(f"descriptions: {target}")
    if failed is not None:
        say(f"cases without one, with the reason: {failed}")
    return report


def spent_so_far(spending: Spending, settings: VlmSettings) -> str:
    """Say what was spent.

    Args:
        spending: Requests, tokens and money.
        settings: The prices.

    Returns:
        The words; without money where nothing has a price.

    Example:
        >>> from gaze_insight.language.vlm.budget import Spending
        >>> from gaze_insight.language.vlm.settings import VlmSettings
        >>> spent_so_far(Spending(3, 2000, 100), VlmSettings(model="m"))
        '3 requests, 2,000 + 100 tokens'
    """
    words = (
        f"{count_of(spending.requests, 'request')}, "
        f"{spending.prompt_tokens:,} + {spending.completion_tokens:,} tokens"
    )
    if spending.estimated:
        words += f" ({count_of(spending.estimated, 'request')} estimated)"
    if settings.price.cost(1, 1):
        words += f", {spending.cost:.4f} {settings.price.currency}"
    return words


def _tell(report: AskReport, settings: VlmSettings) -> None:
    answers = report.answers
    say(f"{settings.model}, prompt {settings.prompt}, {settings.endpoint}")
    rows: list[tuple[str, int, str]] = [
        ("described", len(answers.described), f"answers stored before: {report.from_cache}"),
        ("with a mended word", report.mended, "a near word was taken for one of the vocabulary"),
    ]
    rows += [(kind, count, _FAULTS[kind]) for kind, count in sorted(report.reasons().items())]
    rows += [
        ("kept back", len(report.kept_back), "cannot be read, or must not be sent"),
        ("left", len(report.left), "not asked about yet"),
    ]
    for what, count, meaning in rows:
        if count or what == "described":
            say(f"  {what:<20}{count:>8,}  {meaning}")
    if report.asked:
        say(f"  spent now: {spent_so_far(report.spending, settings)}, {report.seconds:.1f} s")
    first = next(iter(report.kept_back.items()), None)
    if first is not None:
        say(f"  kept back first: {json.dumps(first[0], ensure_ascii=False)}: {first[1]}")
