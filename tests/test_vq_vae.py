"""VQ-VAE: golden numbers, the codebook, training."""

from __future__ import annotations

import golden
import pytest
import torch
from training import assert_batch_independent, assert_resumes, build, fitted, pretraining

from bench.api import BadInput
from methods.vq_vae import VQVAE, Codebook, VQNetwork

SMALL = VQVAE(channels=8, codes=16, steps=4, batch=16, revive_every=2)


def test_network_reproduces_the_published_code():
    expected = golden.load("vq_cvae")
    net = VQNetwork(channels=416, codes=512)
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == expected["state_dict"]
    golden.fill(net)
    net.eval()
    x = golden.inputs(expected)
    with torch.no_grad():
        z = net.encoder(x)
        quantised, numbers = net.emb(z)
        for name, value in {
            "z_e": z,
            "quantised": quantised,
            "argmin": numbers,
            "recon": net.decode(quantised),
        }.items():
            golden.check(value, expected["outputs"][name])
    assert numbers.flatten().tolist() == expected["argmin_all"]
    mse = torch.nn.functional.mse_loss(net.decode(quantised), x)
    assert mse.item() == pytest.approx(expected["loss_function"]["mse"], rel=1e-4)


def test_every_vector_gets_its_nearest_code():
    torch.manual_seed(0)
    book = Codebook(channels=5, codes=7)
    z = torch.randn(2, 5, 3, 4)
    quantised, numbers = book(z)
    distances = torch.cdist(z.movedim(1, -1).reshape(-1, 5), book.weight.T)
    assert torch.equal(numbers.flatten(), distances.argmin(dim=1))
    assert torch.equal(quantised[1, :, 2, 3], book.weight[:, numbers[1, 2, 3]])


def test_an_interrupted_training_ends_the_same(tmp_path):
    assert_resumes(SMALL, pretraining(), tmp_path, die_at=(3, "training"))


def test_training_learns_to_reconstruct_and_uses_its_codebook():
    data = pretraining(count=32)
    method = VQVAE(channels=16, codes=32, steps=120, batch=16, lr=0.003, halve_every=30, revive_every=20)
    encoder, run = fitted(method, data)
    mean_error = float((data.val[:] - data.train[:].mean(dim=0)).square().mean())
    assert run.facts["val_mse"] < 0.5 * mean_error
    assert 1 < run.facts["codebook_perplexity"] <= run.facts["codes_in_use"] <= run.facts["codes"] == 32
    assert_batch_independent(encoder, data.val)


def test_only_unused_codes_are_moved_onto_encoder_outputs():
    encoder = build(SMALL, 16)
    before = encoder.net.emb.weight.detach().clone()
    encoder.usage[3:] = 1
    z = torch.randn(2, 8, 4, 4)
    VQVAE._revive(encoder, z)
    after = encoder.net.emb.weight
    assert torch.equal(after[:, 3:], before[:, 3:])
    vectors = z.movedim(1, -1).reshape(-1, 8)
    assert all((vectors == code).all(dim=1).any() for code in after.T[:3])
    assert not encoder.usage.any()


def test_features_can_be_pooled():
    data = pretraining()
    encoder, _ = fitted(SMALL, data)
    pooled, _ = fitted(VQVAE(channels=8, codes=16, steps=4, batch=16, revive_every=2, pool=2), data)
    x = data.val[:3]
    assert encoder.represent(x).shape == (3, 8 * 4 * 4)
    assert pooled.represent(x).shape == (3, 8 * 2 * 2)
    assert list(encoder.pictures(x)) == ["reconstruction", "halfway_to_next"]
    assert [m.shape[1:] for m in encoder.pyramid(x)] == [(8, 8, 8), (8, 4, 4)]


def test_odd_image_sizes_are_refused():
    with pytest.raises(BadInput, match="multiple of 4"):
        VQVAE().build(30, "car")
