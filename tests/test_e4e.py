"""The encoders into W+: golden numbers, progressive offsets."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch

from methods.e4e.encoder import Encoder4Editing, SmallEncoder


@pytest.mark.parametrize("name", ["e4e_encoder", "e4e_encoder_in64"])
def test_encoder_reproduces_the_published_code(name):
    expected = golden.load(name)
    encoder = Encoder4Editing(latents=14)
    assert {k: list(v.shape) for k, v in encoder.state_dict().items()} == expected["state_dict"]
    golden.fill(encoder)
    encoder.eval()
    x = golden.inputs(expected)
    with torch.no_grad():
        wplus = encoder(x)
        for key, value in {"wplus": wplus, **dict(zip(("c1", "c2", "c3"), encoder.taps(x), strict=True))}.items():
            if key in expected["outputs"]:
                golden.check(value, expected["outputs"][key], tolerance=1e-3)
    for i, layer in enumerate(expected["wplus_per_layer"]):
        np.testing.assert_allclose(wplus[:, i].mean().item(), layer["mean"], atol=1e-3)
        np.testing.assert_allclose(wplus[0, i, :4], layer["sample0_first4"], atol=1e-3)
        np.testing.assert_allclose(wplus[1, i, :4], layer["sample1_first4"], atol=1e-3)


def test_offsets_are_switched_on_one_after_another():
    torch.manual_seed(0)
    encoder = SmallEncoder(32, latents=6, style_dim=5, width=4).eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        for stage in range(6):
            codes = encoder(x, stage)
            same = [bool((codes[:, i] == codes[:, 0]).all()) for i in range(6)]
            assert same == [True] + [i > stage for i in range(1, 6)]
        assert torch.equal(encoder(x), encoder(x, 5))
