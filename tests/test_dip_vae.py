"""DIP-VAE: its penalty and its training."""

from __future__ import annotations

import pytest
import torch
from training import assert_resumes, fitted, pretraining

from methods.dip_vae import DIPVAE, decorrelation


def test_a_white_aggregate_posterior_costs_nothing_and_a_correlated_one_does():
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    no_variance = torch.full_like(corners, -100.0)
    assert decorrelation(corners, no_variance, 10.0, 10.0) == pytest.approx(0.0)
    diagonal = corners[[0, 3]]  # covariance all ones
    assert decorrelation(diagonal, no_variance[:2], 10.0, 3.0) == pytest.approx(20.0)
    half = torch.full_like(corners, 0.5).log()  # variances 1 + 0.5
    assert decorrelation(corners, half, 10.0, 3.0) == pytest.approx(3.0 * 2 * 0.25)


def test_training_decorrelates():
    data = pretraining(count=64)
    settings = {"width": 16, "latent": 6, "steps": 120, "batch": 64, "lr": 0.003}
    plain, strong = (
        fitted(DIPVAE(off_diagonal=weight, diagonal=weight, **settings), data)[1].facts["latent_correlation"]
        for weight in (0.0, 100.0)
    )
    assert strong < plain


def test_an_interrupted_training_ends_the_same(tmp_path):
    assert_resumes(DIPVAE(width=8, latent=4, steps=4, batch=16), pretraining(), tmp_path)
