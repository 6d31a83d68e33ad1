"""Small text models with random weights, written to a folder as published ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gaze_insight.language.schema import VOCABULARY

_WORDS = sorted(
    {
        word
        for text in (
            *(word for words in VOCABULARY.values() for word in words),
            "Location Boundary Characteristics Area percentage Confidence about than to the surroundings",
            "shape texture . , : %",
            *map(str, range(101)),
        )
        for word in text.replace("-", " - ").split()
    }
)


def write_text_model(folder: Path, *, seed: int = 0, kind: str = "bert", **changes: Any) -> Path:
    """Write a text model of one layer and 16 channels that knows the words of descriptions.

    Args:
        folder: Where to; made if need be.
        seed: Of the weights.
        kind: "bert" or "roberta", which counts its positions after that of the padding.
        **changes: Further settings of the model.

    Returns:
        The folder.
    """
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: place for place, word in enumerate([*special, *_WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    settings = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        **changes,
    }
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(kind, **settings)
    folder.mkdir(parents=True, exist_ok=True)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def write_hub_cache(cache: Path, name: str, **options: Any) -> Path:
    """Write a text model as the cache of the Hugging Face hub keeps it; give the model's folder."""
    place = cache / ("models--" + name.replace("/", "--"))
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc123", encoding="utf-8")
    return write_text_model(place / "snapshots" / "abc123", **options)
