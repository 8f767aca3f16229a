"""beta-VAE: golden numbers, objective, training."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from training import assert_batch_independent, assert_resumes, build, fitted, pretraining

from bench.api import BadInput
from methods.beta_vae import VAE, BetaVAE, kl_divergence

SMALL = BetaVAE(width=16, latent=8, steps=4, batch=16)


def test_network_and_objectives_reproduce_the_published_code():
    expected = golden.load("beta_vae")
    net = VAE(128, latent=512, width=512)
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == expected["state_dict"]
    golden.fill(net)
    net.eval()
    x = golden.inputs(expected)
    with torch.no_grad():
        mu, log_var = net.encode(x)
        decoded = net.decode(mu)
        z = torch.from_numpy(10 * np.random.default_rng(2).standard_normal((2, 512)).astype(np.float32))
        for name, value in {"mu": mu, "log_var": log_var, "decode_mu": decoded, "decode_z": net.decode(z)}.items():
            golden.check(value, expected["outputs"][name])
    mse = torch.nn.functional.mse_loss(decoded, x)
    kl = kl_divergence(mu, log_var)
    assert kl.item() == pytest.approx(expected["loss_function_B"]["KLD"][0], rel=1e-4)
    for method, name in [(BetaVAE(objective="B"), "B"), (BetaVAE(objective="H", beta=4.0), "H_beta4")]:
        loss = mse + method.penalty(mu, log_var, step=0)
        assert loss.item() == pytest.approx(expected[f"loss_function_{name}"]["loss"][0], rel=1e-4)


@pytest.mark.parametrize("size", [16, 32, 64, 256])
def test_the_code_is_read_off_a_4x4_map_at_any_size(size):
    net = VAE(size, latent=5, width=32).eval()
    x = torch.rand(2, 3, size, size)
    assert net.encoder(x).shape == (2, 32, 4, 4)
    assert net.decode(net.encode(x)[0]).shape == x.shape


def test_odd_image_sizes_are_refused():
    with pytest.raises(BadInput, match="power of two"):
        BetaVAE().build(48, "face")


def test_capacity_rises_to_its_maximum_within_a_short_training():
    method = BetaVAE(steps=100)
    mu, log_var = torch.full((1, 512), 0.4), torch.zeros(1, 512)  # 0.5 * 0.16 * 512 = 40.96 nats
    penalties = [float(method.penalty(mu, log_var, step)) for step in (0, 49, 99)]
    factor = method.gamma * method.kl_weight
    np.testing.assert_allclose(penalties, [factor * (40.96 - c) for c in (0.25, 12.5, 25.0)], rtol=1e-4)


def test_an_interrupted_training_ends_the_same(tmp_path):
    assert_resumes(SMALL, pretraining(), tmp_path)


def test_training_learns_to_reconstruct_and_reports_its_latents():
    data = pretraining(count=32)
    before = build(SMALL, 16)
    encoder, run = fitted(BetaVAE(width=32, latent=8, steps=150, batch=32, lr=0.003), data)
    mean_error = float((data.val[:] - data.train[:].mean(dim=0)).square().mean())
    assert run.facts["val_mse"] < 0.6 * mean_error
    assert 1 <= run.facts["latents_in_use"] <= run.facts["latents"] == 8
    assert run.facts["images_seen"] == 150 * 32
    assert not torch.equal(before.represent(data.val[:]), encoder.represent(data.val[:]))


def test_features_do_not_depend_on_the_batch_and_pictures_are_images():
    data = pretraining()
    encoder, _ = fitted(SMALL, data)
    assert_batch_independent(encoder, data.val)
    pictures = encoder.pictures(data.val[:4])
    assert next(iter(pictures)) == "reconstruction"
    assert all(p.shape == (4, 3, 16, 16) and p.min() >= 0 and p.max() <= 1 for p in pictures.values())
    assert [m.shape[1:] for m in encoder.pyramid(data.val[:2])] == [(8, 8, 8), (16, 4, 4)]
