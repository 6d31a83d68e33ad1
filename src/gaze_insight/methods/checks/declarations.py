"""What a method under test declares: its class's attributes, its settings, stages and label maps."""

from __future__ import annotations

import inspect

import yaml

from gaze_insight.methods.checks.drawn_batches import LABEL_MAPS, SHARE_MAPS
from gaze_insight.methods.checks.notes import Notes
from gaze_insight.methods.levels import level_name, level_threshold
from gaze_insight.methods.protocol import Method, Stage
from gaze_insight.methods.registry import METHODS
from gaze_insight.types import Settings

__all__ = ["check_settings", "is_class_complete", "is_instance_complete"]

_CARRIED = ("student_epochs", "network")
_PARTS = ("forward", "predict", "trained_in")


def is_class_complete(notes: Notes, method_type: object) -> bool:
    """Check what a class must declare before it can be built.

    Args:
        notes: Receives the problems.
        method_type: The class, or whatever was given for one.

    Returns:
        Whether there was no problem.
    """
    before = len(notes.problems)
    if not (inspect.isclass(method_type) and issubclass(method_type, Method)):
        notes.problem(
            "the class", "a subclass of gaze_insight.methods.protocol.Method", method_type, "derive it"
        )
        return False
    missing = sorted(
        name for name in _PARTS if getattr(getattr(method_type, name), "__isabstractmethod__", 0)
    )
    if missing:
        notes.problem(
            "the class", f"the functions {', '.join(_PARTS)}", f"no {', '.join(missing)}", "add them"
        )
    settings_type = getattr(method_type, "settings_type", None)
    if not (inspect.isclass(settings_type) and issubclass(settings_type, Settings)):
        notes.problem(
            "settings_type",
            "a subclass of gaze_insight.types.Settings",
            _or_none(settings_type),
            "write one with a field 'kind', and name it in the class",
        )
    summary = getattr(method_type, "summary", None)
    if not (isinstance(summary, str) and summary.strip() and "\n" not in summary):
        notes.problem(
            "summary", "one line of text", _or_none(summary), "say in the class what the method does"
        )
    heads = getattr(method_type, "heads", None)
    if not _are_names(heads):
        notes.problem(
            "heads",
            "a tuple of different names",
            _or_none(heads),
            "name the predictions, the deployable first",
        )
    return len(notes.problems) == before


def check_settings(notes: Notes, method_type: type[Method], settings: Settings) -> None:
    """Check the settings' type, registered name and way through YAML.

    Args:
        notes: Receives the problems.
        method_type: The class.
        settings: The settings.
    """
    if not isinstance(settings, method_type.settings_type):
        notes.problem(
            "the settings",
            method_type.settings_type.__name__,
            type(settings).__name__,
            "pass the method's own",
        )
    kind = getattr(settings, "kind", None)
    if not isinstance(kind, str):
        notes.problem(
            "settings.kind", "the method's name", _or_none(kind), 'add: kind: Literal["name"] = "name"'
        )
    elif kind not in METHODS or METHODS[kind] is not method_type:
        found = f"{METHODS[kind].__name__} there" if kind in METHODS else "nothing there"
        notes.problem(
            f"settings.kind {kind!r}",
            "this class registered under that name",
            found,
            f"decorate the class with @METHODS.register({kind!r})",
        )
    else:
        notes.facts["name"] = kind
    with notes.attempting("the settings' way to YAML and back", "use plain types, tuples and other Settings"):
        written = yaml.safe_dump(settings.model_dump(mode="json"))
        again = type(settings).model_validate(yaml.safe_load(written))
        if again != settings:
            notes.problem(
                "settings", "the same after YAML", f"{again!r:.120}", "let every field validate itself"
            )
    fields = type(settings).model_fields
    notes.facts["settings_carried"] = tuple(name for name in _CARRIED if name in fields)


def is_instance_complete(notes: Notes, method: Method) -> bool:
    """Check what a built method must say of itself.

    Args:
        notes: Receives the problems.
        method: The method.

    Returns:
        Whether there was no problem.
    """
    before = len(notes.problems)
    stages, maps = getattr(method, "stages", None), getattr(method, "label_maps", None)
    wanted = "a tuple of Stage(name, epochs), names different, epochs at least 1"
    if not _are_stages(stages):
        notes.problem("stages", wanted, _or_none(stages), "set self.stages in the constructor")
    if not _are_names(maps):
        notes.problem(
            "label_maps", "a tuple of names", _or_none(maps), "set self.label_maps in the constructor"
        )
    else:
        known = (*LABEL_MAPS, *SHARE_MAPS)
        unknown = [name for name in maps or () if name not in known and level_threshold(name) is None]
        if unknown:
            notes.problem(
                "label_maps",
                f"names among {', '.join(known)} or like {level_name(0.5)}",
                ", ".join(map(repr, unknown)),
                "ask for a map that the program makes",
            )
    if not isinstance(getattr(method, "uses_words", None), bool):
        notes.problem(
            "uses_words",
            "True or False",
            _or_none(getattr(method, "uses_words", None)),
            "set self.uses_words",
        )
    complete = len(notes.problems) == before
    if complete:
        notes.facts |= {
            "heads": method.heads,
            "label_maps": method.label_maps,
            "stages": tuple(tuple(stage) for stage in method.stages),
            "uses_words": method.uses_words,
            "parameters": {"all": sum(p.numel() for p in method.parameters())},
        }
    return complete


def _are_names(names: object) -> bool:
    return (
        isinstance(names, tuple)
        and len(names) > 0
        and all(isinstance(name, str) and name for name in names)
        and len(set(names)) == len(names)
    )


def _are_stages(stages: object) -> bool:
    return (
        isinstance(stages, tuple)
        and all(isinstance(one, Stage) and isinstance(one.epochs, int) and one.epochs > 0 for one in stages)
        and _are_names(tuple(one.name for one in stages))
    )


def _or_none(value: object) -> object:
    return "none" if value is None else value
