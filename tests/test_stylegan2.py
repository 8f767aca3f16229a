"""StyleGAN2: golden numbers, the parts of its training, resuming."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch

from methods.stylegan2.generator import Generator


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
