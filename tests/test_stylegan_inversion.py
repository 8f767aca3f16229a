"""StyleGAN2 inversion: training, resuming, refinement, published checkpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training import assert_batch_independent, assert_resumes, build, fitted, pretraining

from bench.api import BadInput
from methods.e4e.encoder import Encoder4Editing
from methods.stylegan2.generator import Generator
from methods.stylegan_inversion import StyleGANInversion

SMALL = StyleGANInversion(
    style_dim=16,
    channel_base=512,
    channel_max=16,
    mapping_depth=2,
    gan_steps=4,
    gan_batch=8,
    backbone="small",
    encoder_width=4,
    encoder_steps=4,
    encoder_batch=8,
)


@pytest.mark.parametrize("die_at", [(3, "generator"), (2, "encoder")])
def test_an_interrupted_training_ends_the_same(tmp_path, die_at):
    assert_resumes(SMALL, pretraining(count=16), tmp_path, die_at)


def test_encoder_learns_to_invert_the_generator_and_refinement_helps():
    data = pretraining(count=32)
    method = replace(SMALL, encoder_steps=60, encoder_batch=32, encoder_lr=0.003)
    encoder, run = fitted(method, data)
    errors = [value for _, value in run.curves["reconstruction"]]
    assert errors[-1] < 0.8 * errors[0]
    assert run.facts["images_seen"] == 4 * 8 + 60 * 32
    assert run.facts["optimiser_steps"] == 4 + 60
    x = data.val[:4]
    encoder.requires_grad_(False)
    plain = (encoder.pictures(x)["reconstruction"] - x).square().mean()
    encoder.steps = 10
    refined = (encoder.pictures(x)["reconstruction"] - x).square().mean()
    assert refined < 0.95 * plain
    torch.testing.assert_close(encoder.wplus(x)[:1], encoder.wplus(x[:1]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("features", "width"), [("W", 16), ("W+", 6 * 16), ("style", None)])
def test_features(features, width):
    data = pretraining(count=8)
    encoder, _ = fitted(replace(SMALL, features=features), data)
    found = encoder.represent(data.val[:])
    assert found.shape == (8, width or sum(_style_widths(encoder.generator)))
    assert_batch_independent(encoder, data.val)


def _style_widths(generator: Generator) -> list[int]:
    return [layer.conv.weight.shape[2] for layer in generator.layers()]


def test_pictures_are_images():
    data = pretraining(count=8, size=32)
    encoder, _ = fitted(replace(SMALL, size=16), data)
    pictures = encoder.pictures(data.val[:4])
    assert list(pictures) == ["reconstruction", "sample", "coarse_half_of_next"]
    assert all(p.shape == (4, 3, 32, 32) and p.min() >= 0 and p.max() <= 1 for p in pictures.values())
    assert [m.shape[-1] for m in encoder.pyramid(data.val[:2])] == [16, 8, 4]


def test_published_checkpoints_load(tmp_path):
    """A file as e4e writes it: "state_dict" of encoder and decoder, "latent_avg", "opts"."""
    torch.manual_seed(3)
    generator = Generator(16, style_dim=512, base=256, most=8)
    encoder = Encoder4Editing(generator.latents)
    average = torch.randn(generator.latents, 512)
    state = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    state |= {f"decoder.{k}": v for k, v in generator.state_dict().items()}
    torch.save({"state_dict": state, "latent_avg": average, "opts": {"stylegan_size": 16}}, tmp_path / "e4e.pt")
    method = StyleGANInversion(channel_base=256, channel_max=8, size=16, encoder=str(tmp_path / "e4e.pt"))
    data = pretraining(count=1)
    loaded, run = fitted(method, data)
    x = data.val[:]
    with torch.no_grad():
        big = torch.nn.functional.interpolate(x, size=(256, 256), mode="bilinear", antialias=True)
        expected = average + encoder.eval()(big * 2 - 1)
        torch.testing.assert_close(loaded.wplus(x), expected)
        torch.testing.assert_close(loaded.generator(expected), generator(expected))
    assert run.facts["images_seen"] == 0


def test_a_generator_alone_can_come_from_a_file(tmp_path):
    torch.manual_seed(3)
    generator = Generator(16, style_dim=16, base=512, most=16, depth=2)
    learnt = {k: v for k, v in generator.state_dict().items() if not k.startswith("noises")}
    torch.save({"g_ema": learnt, "latent_avg": torch.zeros(16)}, tmp_path / "g.pt")
    loaded, run = fitted(replace(SMALL, generator=str(tmp_path / "g.pt")), pretraining(count=8))
    for a, b in zip(loaded.generator.parameters(), generator.parameters(), strict=True):
        assert torch.equal(a, b)
    assert run.facts["optimiser_steps"] == SMALL.encoder_steps


def test_wrong_files_name_the_first_mismatch(tmp_path):
    data = pretraining(count=4)
    other = Generator(32, style_dim=16, base=512, most=16, depth=2)
    torch.save({"g_ema": other.state_dict()}, tmp_path / "g32.pt")
    with pytest.raises(BadInput, match=r"g32.pt: tensor .* has no place"):
        fitted(replace(SMALL, generator=str(tmp_path / "g32.pt")), data)
    with pytest.raises(BadInput, match=r"has no 'state_dict'"):
        fitted(replace(SMALL, encoder=str(tmp_path / "g32.pt")), data)
    own = build(SMALL, 16)
    state = {f"encoder.{k}": v for k, v in own.encoder.state_dict().items()}
    state |= {f"decoder.{k}": v for k, v in own.generator.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "no_average.pt")
    with pytest.raises(BadInput, match="latent_avg"):
        fitted(replace(SMALL, encoder=str(tmp_path / "no_average.pt")), data)
    with pytest.raises(BadInput, match="style_dim=512"):
        build(replace(SMALL, backbone="ir_se50"), 16)
