"""Where a text model's files lie on this machine, and what they are, without asking the network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from gaze_insight.language.encoders.packaged_models import PACKAGED_MODELS

__all__ = ["FoundModel", "ModelSource", "find_model", "known_sha256"]

ModelSource = Literal["package", "folder", "hub"]

_PLAIN = (
    "added_tokens.json",
    "config.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class FoundModel(NamedTuple):
    """A text model on this machine.

    Attributes:
        name: As it was asked for.
        source: A package of the registry, a folder, or the hub's cache.
        folder: Where its files lie.
    """

    name: str
    source: ModelSource
    folder: Path

    def files(self) -> list[Path]:
        """List the files that decide what the model says: settings, tokenizer and weights.

        Returns:
            The files by name; weights as safetensors where there are any, as the loader takes them.

        Example:
            >>> FoundModel("a", "folder", Path("nowhere")).files()
            []
        """
        weights = next((found for kind in _WEIGHTS if (found := list(self.folder.glob(kind)))), [])
        index = list(self.folder.glob("*.index.json"))
        plain = [path for name in _PLAIN if (path := self.folder / name).is_file()]
        return sorted([*plain, *weights, *index])


def find_model(name: str) -> FoundModel | None:
    """Find a text model on this machine.

    Args:
        name: One of `PACKAGED_MODELS`, the folder of a model, or a name on the Hugging Face hub, whose cache
            is looked into.

    Returns:
        Where it lies; None where it is not on this machine.

    Raises:
        MissingExtraError: The packages of a packaged model are not installed.
        DataError: The files of a packaged model are not those that are known.

    Example:
        >>> find_model("no/such-model") is None
        True
    """
    packaged = PACKAGED_MODELS.get(name)
    if packaged is not None:
        return FoundModel(name, "package", packaged.folder(name))
    if Path(name).is_dir():
        return FoundModel(name, "folder", Path(name))
    try:
        hub = import_module("huggingface_hub")
    except ModuleNotFoundError:
        return None
    try:
        cached = hub.try_to_load_from_cache(name, "config.json")
    except ValueError:
        return None
    return FoundModel(name, "hub", Path(cached).parent) if isinstance(cached, str) else None


def known_sha256(name: str, hash_file: Callable[[Path], str]) -> dict[str, str] | None:
    """Say what a text model is by the SHA-256 of its files.

    Args:
        name: As for `find_model`.
        hash_file: Hashes a file.

    Returns:
        File name to SHA-256; of a packaged model without looking at it. None where the model is neither
        packaged nor on this machine.

    Example:
        >>> known_sha256("all-mpnet-base-v2", str)["model.safetensors"][:8]
        '78c0197b'
    """
    packaged = PACKAGED_MODELS.get(name)
    if packaged is not None:
        return dict(packaged.sha256)
    found = find_model(name)
    return None if found is None else {path.name: hash_file(path) for path in found.files()}
