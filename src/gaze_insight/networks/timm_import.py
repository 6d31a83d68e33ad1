"""Import timm on a machine whose torchvision is missing or broken.

timm's data loading needs torchvision at import, its networks do not. A CPU build of PyTorch often has no
torchvision beside it, and installing one by name replaces that build by another. So timm is imported with a
stand-in in torchvision's place, which is taken away again: no other package is told that torchvision is
there.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from gaze_insight.errors import MissingExtraError

__all__ = ["import_timm"]

_ABSENT = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.ops",
    "torchvision.ops.misc",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


def import_timm() -> Any:
    """Import timm, with a stand-in for torchvision while that cannot be imported itself.

    What timm took from the stand-in, its data loading and its transforms, raises `MissingExtraError` when it
    is called; its networks work whole.

    Returns:
        The module `timm`.

    Raises:
        MissingExtraError: timm is not installed, or is of a version that needs more of torchvision.

    Example:
        >>> import_timm().__name__  # doctest: +SKIP
        'timm'
    """
    if "timm" in sys.modules:
        return sys.modules["timm"]
    if importlib.util.find_spec("timm") is None:
        raise MissingExtraError(
            "the optional package 'timm', for the encoders timm:NAME, is not installed",
            remedy="pip install 'gaze-insight[encoders]'; beside a CPU build of PyTorch, which has no "
            "torchvision: pip install --no-deps timm",
        )
    if _torchvision_works():
        return importlib.import_module("timm")
    with _stand_in():
        try:
            return importlib.import_module("timm")
        except (AttributeError, ImportError, RuntimeError, TypeError) as error:
            _forget("timm")
            raise MissingExtraError(
                f"timm cannot be imported without torchvision ({error})",
                remedy="pip install --no-deps 'timm>=1.0.9', or install the torchvision of your PyTorch",
            ) from error


class _Absent(type):
    """A class of torchvision that is not there: it can be named and derived from, not used."""

    def __getattr__(cls, name: str) -> _Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(f"{cls.__qualname__}.{name}")

    def __call__(cls, *args: object, **kwargs: object) -> object:
        raise MissingExtraError(
            f"'{cls.__qualname__}' is wanted and torchvision is not installed, or does not fit PyTorch",
            remedy="install the torchvision that belongs to this version of torch",
        )


def _absent(name: str) -> _Absent:
    return _Absent(
        name, (), {"__module__": __name__, "__doc__": "Not there: torchvision cannot be imported."}
    )


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> _Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(f"{self.__name__}.{name}")


def _torchvision_works() -> bool:
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError):
        _forget("torchvision")
        return False
    return True


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]


@contextmanager
def _stand_in() -> Iterator[None]:
    modules = {name: _AbsentModule(name) for name in _ABSENT}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    sys.modules.update(modules)
    try:
        yield
    finally:
        _forget("torchvision")
