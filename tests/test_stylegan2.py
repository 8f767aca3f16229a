"""StyleGAN2: golden numbers, the parts of its training, resuming."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from training import pretraining

from bench.run import Run
from methods.stylegan2.augment import AdaptiveAugment
from methods.stylegan2.discriminator import Discriminator
from methods.stylegan2.generator import Generator
from methods.stylegan2.layers import ModulatedConv
from methods.stylegan2.train import PathLength, StyleGAN2, gradient_penalty


@pytest.mark.parametrize("size", [64, 256])
def test_generator_reproduces_the_published_code(size):
    expected = golden.load(f"stylegan2_g{size}")
    generator = Generator(size)
    assert {k: list(v.shape) for k, v in generator.state_dict().items()} == expected["state_dict"]
    for group in expected["unchanged_kernels"]:
        for key in group["keys"]:
            np.testing.assert_allclose(generator.state_dict()[key], group["value"], rtol=1e-6)
    golden.fill(generator)
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 512)).astype(np.float32))
    shape = (2, generator.latents, 512)
    wplus = torch.from_numpy(np.random.default_rng(2).standard_normal(shape).astype(np.float32))
    with torch.no_grad():
        w = generator.style(z)
        mean = w.mean(dim=0, keepdim=True)
        outputs = {
            "w": lambda: w,
            "image": lambda: generator(w),
            "image_from_wplus": lambda: generator(wplus),
            "image_truncation_0.7": lambda: generator(mean + 0.7 * (w - mean)),
            "image_mix_at_3": lambda: generator(generator.mix(w[:1], w[1:], 3)),
        }
        assert set(expected["outputs"]) <= set(outputs)
        for name, summary in expected["outputs"].items():
            golden.check(outputs[name](), summary)


SMALL = StyleGAN2(style_dim=16, channel_base=512, channel_max=16, mapping_depth=2, gan_steps=6, gan_batch=8)


def small_generator(size: int = 16) -> Generator:
    torch.manual_seed(0)
    return SMALL.new_generator(size)


def test_modulation_scales_weights_as_the_paper_writes_it():
    """Equation 1 and 3: every image has its own weights, scaled by its style and demodulated."""
    torch.manual_seed(0)
    layer = ModulatedConv(4, 5, 3, style_dim=6)
    x, style = torch.randn(3, 4, 8, 8), torch.randn(3, 4)
    for i in range(3):
        weight = layer.scale * layer.weight[0] * style[i].view(1, 4, 1, 1)
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        expected = torch.nn.functional.conv2d(x[i : i + 1], weight, padding=1)
        torch.testing.assert_close(layer(x, style)[i : i + 1], expected)


@pytest.mark.parametrize("size", [8, 32, 128])
def test_sizes(size):
    generator = Generator(size, style_dim=8, base=256, most=16, depth=2)
    discriminator = Discriminator(size, base=256, most=16)
    image = generator(generator.style(torch.randn(3, 8)))
    assert image.shape == (3, 3, size, size)
    assert discriminator(image).shape == (3,)
    assert len(generator.layers()) == len(generator.latent_of_layer())
    assert max(generator.latent_of_layer()) == generator.latents - 1
    with pytest.raises(ValueError, match="power of two"):
        Generator(size + 1)


def test_path_length_penalty_is_the_variance_about_a_running_mean():
    generator = small_generator()
    penalty = PathLength()
    w = generator.style(torch.randn(4, 16))
    wplus = w[:, None].expand(-1, generator.latents, -1)
    torch.manual_seed(1)
    value = penalty(generator(wplus), wplus)
    torch.manual_seed(1)
    image = generator(wplus)
    (gradient,) = torch.autograd.grad((image * torch.randn_like(image) / 16).sum(), wplus)
    lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
    assert value.item() == pytest.approx((lengths - 0.01 * lengths.mean()).square().mean().item(), rel=1e-4)
    value.backward()
    assert generator.conv1.conv.weight.grad.abs().sum() > 0


def test_gradient_penalty_of_a_linear_map_is_its_squared_norm():
    linear = torch.nn.Linear(6, 1)
    value = gradient_penalty(linear, torch.randn(5, 6))
    assert value.item() == pytest.approx(linear.weight.square().sum().item(), rel=1e-5)


def test_augmentation_rises_while_the_discriminator_is_too_sure_and_starts_as_identity():
    augment = AdaptiveAugment(target=0.6, images=320)
    x = torch.rand(8, 3, 16, 16) * 2 - 1
    assert torch.equal(augment(x), x)
    for _ in range(8):
        augment.adapt(torch.ones(8))
    assert augment.p.item() == pytest.approx(64 / 320)
    for _ in range(4):
        augment.adapt(-torch.ones(8))
    assert augment.p.item() == pytest.approx(32 / 320)


def test_augmentations_are_differentiable_and_leave_some_images_alone():
    torch.manual_seed(0)
    augment = AdaptiveAugment(target=0.6, images=1)
    augment.p.fill_(0.1)
    x = torch.rand(64, 3, 16, 16, requires_grad=True)
    y = augment(x)
    untouched = (y - x).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert 5 < int(untouched.sum()) < 60
    y.square().sum().backward()
    assert x.grad.abs().sum() > 0
    augment.p.fill_(1.0)
    assert ((augment(x) - x).abs().amax(dim=(1, 2, 3)) > 1e-2).all()


def test_training_moves_the_average_and_resumes_to_the_same_weights(tmp_path):
    data = pretraining(count=16)

    def train(scratch, report=None, every: float = 30.0) -> tuple[Generator, Run]:
        scratch.mkdir(exist_ok=True)
        generator, run = small_generator(), Run(seed=0, scratch=scratch, report=report, checkpoint_every=every)
        SMALL.train_generator(generator, data.train, run)
        return generator, run

    def die(done: int, total: int, what: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    whole, whole_run = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", die, every=0.0)
    resumed, resumed_run = train(tmp_path / "cut")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert whole_run.facts == resumed_run.facts
    assert whole_run.facts["images_seen"] == 6 * 8
    assert not torch.equal(whole.conv1.conv.weight, small_generator().conv1.conv.weight)


def test_style_mixing_changes_code_once():
    generator = small_generator()
    torch.manual_seed(0)
    mixed = SMALL.sample_w(generator, 3, torch.device("cpu"))
    plain = StyleGAN2(style_dim=16, mixing=0.0).sample_w(generator, 3, torch.device("cpu"))
    assert mixed.shape == plain.shape == (3, generator.latents, 16)
    assert bool((plain == plain[:, :1]).all())
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(dim=2).sum(dim=1)
    assert changes.tolist() in ([1, 1, 1], [0, 0, 0])
