"""The settings of a describer that asks a vision-language model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gaze_insight.errors import SettingsError
from gaze_insight.language.vlm.answer_schema import AnswerFormat
from gaze_insight.language.vlm.pictures import PictureSettings
from gaze_insight.types import Settings

__all__ = ["BudgetSettings", "PaceSettings", "PriceSettings", "VlmSettings"]

_OWN_FIELDS = frozenset(
    {
        "model",
        "messages",
        "temperature",
        "seed",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "n",
    }
)
_SECRET = re.compile(
    r"(api|access|auth).?(key|token)|authorization|password|secret|bearer|^token$", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"//[^/]*@")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class PaceSettings(Settings):
    """How many requests are under way at once, and how patient they are.

    Example:
        >>> PaceSettings().concurrency
        4
    """

    concurrency: int = Field(4, ge=1, le=1024, description="cases that are asked about at the same time")
    connect_timeout_s: float = Field(20.0, gt=0, description="longest wait for a connection")
    reach_s: float = Field(
        5.0, ge=0, description="how long a server that never answered yet is tried to be reached"
    )
    timeout_s: float = Field(300.0, gt=0, description="longest time that one request may take as a whole")
    attempts: int = Field(6, ge=1, description="tries of one request before it is given up")
    backoff_s: float = Field(1.0, ge=0, description="upper end of the random wait before the first new try")
    backoff_max_s: float = Field(
        60.0, ge=0, description="upper end of any random wait; it doubles until here"
    )
    retry_after_max_s: float = Field(
        600.0, ge=0, description="longest wait that a server may ask for (Retry-After)"
    )
    repair_turns: int = Field(
        1, ge=0, le=5, description="times a model is told what is wrong with its answer and asked again"
    )
    give_up_after: int = Field(
        20, ge=1, description="cases in a row that the server fails or turns down before all is stopped"
    )


class BudgetSettings(Settings):
    """What may be spent in one call; None is no limit.

    Example:
        >>> BudgetSettings(cost=5.0).requests is None
        True
    """

    requests: int | None = Field(None, ge=0, description="HTTP requests, failed ones included")
    tokens: int | None = Field(None, ge=0, description="tokens of prompts and answers together")
    cost: float | None = Field(None, ge=0, description="money, in the currency of the prices")


class PriceSettings(Settings):
    """What a hosted model costs; a model of one's own costs nothing.

    Example:
        >>> PriceSettings(input_per_million=2.5, output_per_million=10).cost(1_000_000, 100_000)
        3.5
    """

    input_per_million: float = Field(0.0, ge=0, description="price of a million tokens of the prompt")
    output_per_million: float = Field(0.0, ge=0, description="price of a million tokens of the answer")
    currency: str = Field("USD", min_length=1)
    picture_tokens: int = Field(
        765,
        ge=0,
        description="tokens taken for a picture until the server reports its own count; 765 is what OpenAI "
        "states for GPT-4o and 768 x 768 px (85 and 170 for each of four tiles)",
    )

    @property
    def known(self) -> bool:
        """Whether any price was given.

        Example:
            >>> PriceSettings().known
            False
        """
        return self.input_per_million > 0 or self.output_per_million > 0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Compute ``(prompt x input_per_million + completion x output_per_million) / 10^6``.

        Args:
            prompt_tokens: Tokens of the prompts, pictures included.
            completion_tokens: Tokens of the answers.

        Returns:
            Money, in `currency`.

        Example:
            >>> PriceSettings().cost(1000, 1000)
            0.0
        """
        spent = prompt_tokens * self.input_per_million + completion_tokens * self.output_per_million
        return spent / 1e6


class VlmSettings(Settings):
    """Which model is asked, what it is asked, and how.

    The key is never a setting: `api_key_env` names the environment variable that holds it.

    Example:
        >>> VlmSettings(model="qwen2.5vl:7b").endpoint
        'http://localhost:11434/v1'
    """

    kind: Literal["vlm"] = "vlm"
    endpoint: str = Field(
        "http://localhost:11434/v1",
        description="base address of an OpenAI-compatible server; /chat/completions is added",
    )
    model: str = Field(min_length=1, description="the model's name, as the server knows it")
    api_key_env: str | None = Field(
        None, min_length=1, description="NAME of the environment variable that holds the key; None sends none"
    )
    prompt: str = Field("paper", min_length=1, description="name of a shipped prompt, or path of a YAML file")
    answer_format: AnswerFormat = Field(
        "json_schema",
        description="how the schema is asked for: enforced (json_schema; json_object_schema for "
        "llama-cpp-python's server), as any JSON (json_object), or in words alone (text)",
    )
    temperature: float | None = Field(0.0, ge=0, le=2, description="None: not sent; the server's own default")
    seed: int | None = Field(0, description="None: not sent")
    max_tokens: int = Field(400, ge=1, description="longest answer, in tokens")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="the field that carries it; newer OpenAI models want max_completion_tokens"
    )
    extra: dict[str, Any] = Field(default_factory=dict, description="fields of a vendor, sent as they are")
    picture: PictureSettings = Field(PictureSettings(), description="size and coding of the pictures sent")
    dicom: Literal["refuse", "clean"] = Field(
        "refuse",
        description="DICOM images: never sent, or only those that state they carry no burned-in text",
    )
    pace: PaceSettings = Field(PaceSettings(), description="concurrency, patience, repair turns")
    budget: BudgetSettings = Field(BudgetSettings(), description="what one call may spend")
    price: PriceSettings = Field(PriceSettings(), description="what the tokens cost")

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        try:
            parts = urlsplit(value.strip())
            well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, well_formed = urlsplit(""), False
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise SettingsError(
                "endpoint: expected an address alone, found credentials or a query in it",
                remedy="put the key into an environment variable and name the variable in api_key_env",
            )
        if not well_formed:
            raise SettingsError(
                f"endpoint: expected an address such as http://localhost:11434/v1, found "
                f"{_CREDENTIALS.sub('//***@', value)!r}",
                remedy="give scheme, host and path, without /chat/completions",
            )
        return value.strip().rstrip("/").removesuffix("/chat/completions")

    @field_validator("api_key_env")
    @classmethod
    def _check_variable(cls, value: str | None) -> str | None:
        """A key given by mistake is not repeated."""
        if value is not None and not _VARIABLE.fullmatch(value):
            raise SettingsError(
                "api_key_env: expected the name of an environment variable, found something else",
                remedy="export OPENAI_API_KEY=..., and give the name OPENAI_API_KEY, never the key itself",
            )
        return value

    @field_validator("extra")
    @classmethod
    def _check_extra(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(_OWN_FIELDS & value.keys())
        if taken:
            raise SettingsError(
                f"extra: {', '.join(taken)} cannot be set here",
                remedy="use the setting of that name; stream and n are always off and 1",
            )
        secret = sorted({name for name in _names_in(value) if _SECRET.search(name)})
        if secret:
            raise SettingsError(
                f"extra: {', '.join(secret)} looks like a key, and settings are written to files",
                remedy="put the key into an environment variable and name the variable in api_key_env",
            )
        return value

    def shaping(self) -> dict[str, Any]:
        """Give the part of the settings that shapes the words; cached words are keyed by it.

        Left out: pace, budget, price, how DICOM files are treated, and the name of the key's variable.

        Returns:
            Plain values, ready for JSON.

        Example:
            >>> one = VlmSettings(model="m", api_key_env="KEY", budget={"requests": 3})
            >>> one.shaping() == VlmSettings(model="m").shaping()
            True
        """
        return self.model_dump(mode="json", exclude={"pace", "budget", "price", "dicom", "api_key_env"})


def _names_in(value: Any) -> Iterator[str]:
    """Every name in nested plain values."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _names_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _names_in(one)
