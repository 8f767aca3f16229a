"""Methods that do not learn, or only linearly: pixels, PCA, random features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA
from training import assert_batch_independent, build, fitted, pretraining

from methods.pca import PCA
from methods.pdr.method import PDR
from methods.pixels import Pixels
from methods.random_features import RandomFeatures
from methods.random_init import RandomInit


def test_pca_spans_the_same_space_as_scikit_learn():
    data = pretraining(count=64)
    encoder, run = fitted(PCA(components=5), data)
    flat = data.train[:].flatten(1).numpy()
    expected = SklearnPCA(5, svd_solver="full").fit(flat)
    np.testing.assert_allclose(encoder.scale, np.sqrt(expected.explained_variance_), rtol=1e-3)
    cosine = np.abs(np.sum(encoder.components.numpy() * expected.components_, axis=1))
    np.testing.assert_allclose(cosine, 1, atol=1e-3)
    reconstruction = expected.inverse_transform(expected.transform(data.val[:].flatten(1).numpy())).clip(0, 1)
    error = np.mean((reconstruction - data.val[:].flatten(1).numpy()) ** 2)
    assert run.facts["val_mse"] == pytest.approx(error, rel=1e-3)
    assert run.facts["val_mse"] < run.facts["val_mse_mean_image"]


def test_pca_is_deterministic_and_survives_fewer_images_than_components():
    data = pretraining(count=8)
    a, _ = fitted(PCA(components=20), data)
    b, _ = fitted(PCA(components=20), data)
    assert torch.equal(a.components, b.components)
    assert a.represent(data.val[:]).shape == (8, 20)
    assert not a.components[8:].any()


@pytest.mark.parametrize("method", [Pixels(size=8), PCA(components=4), RandomFeatures(width=4), RandomInit(nf=4)])
def test_features_do_not_depend_on_the_batch(method):
    data = pretraining(size=32)
    encoder, _ = fitted(method, data)
    assert_batch_independent(encoder, data.val)


def test_pixels_are_area_averages():
    x = torch.rand(2, 3, 16, 16)
    features = build(Pixels(size=8), 16).represent(x)
    assert features.shape == (2, 3 * 8 * 8)
    assert features[1, 0] == pytest.approx(float(x[1, 0, :2, :2].mean()))
    assert build(Pixels(size=32), 16).represent(x).shape == (2, 3 * 16 * 16)


def test_random_features_follow_the_seed():
    x = torch.rand(2, 3, 32, 32)
    a, b, c = (build(RandomFeatures(width=4), 32, seed).represent(x) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == (2, 64)


def test_random_init_is_where_pdr_starts():
    data = pretraining(size=32)
    encoder, run = fitted(RandomInit(nf=4), data)
    start = build(PDR(nf=4), 32)
    assert torch.equal(encoder.represent(data.val[:]), start.represent(data.val[:]))
    assert run.facts["optimiser_steps"] == 0
