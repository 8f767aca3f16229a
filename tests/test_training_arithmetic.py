"""Fast arithmetic for training: bfloat16, memory formats, learning rates; and what records say of reconstructions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from training import assert_batch_independent, assert_resumes, fitted, pretraining

from methods import common
from methods.beta_vae import BetaVAE
from methods.dip_vae import DIPVAE
from methods.pca import PCA
from methods.simclr import SimCLR
from methods.stylegan_inversion import StyleGANInversion
from methods.vq_vae import VQVAE

FAST = {"precision": "auto"}
GAN = {"style_dim": 16, "channel_base": 256, "channel_max": 8, "mapping_depth": 2, "gan_batch": 8, "gan_steps": 3}
SMALL = [
    BetaVAE(width=16, latent=8, steps=4, batch=16, decay="cosine", precision="auto"),
    DIPVAE(width=16, latent=8, steps=4, batch=16, decay="cosine", precision="auto"),
    VQVAE(channels=8, codes=16, steps=4, batch=16, revive_every=2, decay="cosine", precision="auto"),
    SimCLR(model="test_resnet", steps=4, batch=8, precision="auto"),
    StyleGANInversion(
        **GAN, backbone="small", encoder_width=4, encoder_steps=4, encoder_batch=8, encoder_decay="cosine", **FAST
    ),
]


@pytest.fixture
def able(monkeypatch):
    """As if this machine multiplied bfloat16 in hardware: autocast computes it everywhere, if slowly."""
    monkeypatch.setattr(common, "computes_bfloat16", lambda device: True)


@pytest.mark.parametrize("method", SMALL, ids=lambda method: type(method).__name__)
def test_fast_trainings_resume_and_encode_in_float32_whatever_the_batch(able, method, tmp_path):
    data = pretraining(count=16, size=32 if isinstance(method, SimCLR) else 16)
    phase = "encoder" if isinstance(method, StyleGANInversion) else "training"
    assert_resumes(method, data, tmp_path, (2, phase))
    encoder, _ = fitted(method, data)
    assert encoder.represent(data.val[:]).dtype == torch.float32
    assert_batch_independent(encoder, data.val)
    plain, _ = fitted(replace(method, precision="float32"), data)
    assert not torch.equal(plain.represent(data.val[:]), encoder.represent(data.val[:])), "precision changed nothing"


@pytest.mark.parametrize(("precision", "able_to", "expected"), [("auto", 1, 1), ("auto", 0, 0), ("float32", 1, 0)])
def test_bfloat16_is_used_where_asked_for_and_at_hand(monkeypatch, precision, able_to, expected):
    monkeypatch.setattr(common, "computes_bfloat16", lambda device: bool(able_to))
    with common.forward_pass(precision, torch.device("cpu")):
        result = nn.Linear(2, 2)(torch.zeros(1, 2))
    assert (result.dtype == torch.bfloat16) == bool(expected)


def test_memory_formats_are_put_back_even_after_a_failure():
    net = nn.Conv2d(3, 4, 3)
    strides = net.weight.stride()
    with pytest.raises(KeyError), common.channels_last(net):
        assert net.weight.stride() != strides
        raise KeyError
    assert net.weight.stride() == strides


def test_the_cosine_rises_falls_and_ends_near_zero():
    rates = [common.rate_at("cosine", step, 100) for step in range(100)]
    assert rates[0] < 0.3 and max(rates) > 0.98 and rates[-1] < 0.01
    assert rates.index(max(rates)) == 4
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert common.rate_at("constant", 50, 100) == 1


def test_records_say_how_far_reconstructions_are_from_linear_ones():
    data = pretraining(count=64)
    _, pca = fitted(PCA(components=16), data)
    _, vae = fitted(BetaVAE(width=16, latent=8, steps=2, batch=16), data)
    for run in (pca, vae):
        assert run.facts["val_mse_16_components"] < run.facts["val_mse_mean_image"]
        assert run.facts["val_psnr"] == pytest.approx(-10 * torch.tensor(run.facts["val_mse"]).log10().item(), rel=1e-4)
    assert pca.facts["val_mse"] == pytest.approx(pca.facts["val_mse_16_components"], rel=1e-6)
    assert vae.facts["val_mse_16_components"] == pca.facts["val_mse_16_components"]
    mean_error = float((data.val[:] - data.train[:].mean(dim=0)).square().mean())
    assert pca.facts["val_mse_mean_image"] == pytest.approx(mean_error, rel=1e-4)


@pytest.mark.parametrize(
    "method", [m for m in SMALL if not isinstance(m, SimCLR)], ids=lambda method: type(method).__name__
)
def test_validation_curves_end_at_the_records_error_and_leave_the_training_as_it_is(method, monkeypatch):
    data = pretraining()
    encoder, run = fitted(method, data)
    steps, errors = zip(*run.curves["val_mse"], strict=True)
    assert steps == (0, 1, 2, 3)
    assert errors[-1] == pytest.approx(run.facts["val_mse"], rel=1e-4)
    assert len(set(errors)) > 1
    for name in ("beta_vae", "vq_vae", "stylegan_inversion"):
        monkeypatch.setattr(f"methods.{name}.log_validation", lambda *given: None)
    unseen, run = fitted(method, data)
    assert "val_mse" not in run.curves
    for one, other in zip(encoder.state_dict().values(), unseen.state_dict().values(), strict=True):
        assert torch.equal(one, other)
