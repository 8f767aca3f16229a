"""Retrieve in Style: golden numbers of the memberships, the catalogue."""

from __future__ import annotations

import hashlib
import json

import golden
import numpy as np
import torch
from torch.nn import functional as F
from training import assert_batch_independent, fitted, pretraining

from methods.retrieve_in_style import (
    RetrieveInStyle,
    StyleMembership,
    clustered_activations,
    nearest,
    soft_membership,
    spherical_kmeans,
)
from methods.stylegan2.generator import Generator

# the published catalogue's clusters: nose, eyes, mouth, hair, background, cheeks, neck, clothes
PUBLISHED_PARTS = [3, 1, 7, 3, 2, 3, 1, 0, 3, 5, 3, 4, 7, 4, 4, 3, 3, 6]


def test_memberships_reproduce_the_published_code():
    expected = golden.load("ris_maths")
    generator = Generator(1024)
    assert {k: list(v.shape) for k, v in generator.state_dict().items()} == expected["state_dict"]
    golden.fill(generator)
    wplus = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 18, 512)).astype(np.float32))
    seed = int.from_bytes(hashlib.sha256(b"ris.cluster_centers").digest()[:4], "little")
    centres = np.abs(np.random.default_rng(seed).standard_normal((18, 512)).astype(np.float32)) ** 3
    method = RetrieveInStyle(size=1024, backbone="small", encoder_width=1, hair_part=3)
    model = StyleMembership(generator, torch.nn.Identity(), method)
    model.centres.copy_(F.normalize(torch.from_numpy(centres), dim=1))
    model.part_of.copy_(torch.tensor(PUBLISHED_PARTS))
    soft = []
    with torch.no_grad():
        styles = generator.styles(wplus)
        golden.check(torch.cat(styles, dim=1), expected["outputs"]["style_vector_9088"])
        for i in range(2):
            taps: list = []
            image = generator.synthesise([s[i : i + 1] for s in styles], taps=taps).clamp(-1, 1)
            activations = clustered_activations(generator, taps)
            labels = nearest(activations, model.centres)
            if i == 0:
                golden.check(image, expected["outputs"]["image_sample0"], tolerance=1e-3)
                golden.check(taps[11][0], expected["outputs"]["outputs_11_0_sample0"], tolerance=1e-3)
                assert labels.flatten().tolist() == expected["outputs"]["cluster_labels_sample0"]
                assert [list(after.shape) for _, after in taps] == expected["layer_output_shapes"]
            masks = F.one_hot(model.part_of[labels], 8).movedim(-1, 1).float()
            soft.append(soft_membership(taps, masks, 0.1))
        both = torch.cat(soft)
        golden.check(both, expected["M_threshold"]["softmax_before_threshold"], tolerance=1e-3)
        ones = model.binary(both).sum(dim=2).int().tolist()
        assert ones == expected["outputs"]["remove_2048_ones_per_part"]
        model.hair_part = None
        hard = model.binary(both)
        golden.check(hard, expected["outputs"]["M"], tolerance=1e-3)
        assert hard.sum(dim=2).int().tolist() == expected["outputs"]["M_ones_per_part"]


def test_spherical_kmeans_finds_directions_whatever_their_length():
    rng = torch.Generator().manual_seed(0)
    axes = torch.eye(3).repeat_interleave(50, dim=0)
    vectors = (axes + 0.05 * torch.randn(150, 3, generator=rng)) * torch.rand(150, 1, generator=rng) * 10
    centres = spherical_kmeans(vectors, 3, rng)
    torch.testing.assert_close(centres.abs().max(dim=1).values, torch.ones(3), atol=0.01, rtol=0)
    assert sorted(centres.argmax(dim=1).tolist()) == [0, 1, 2]


SMALL = RetrieveInStyle(
    style_dim=16,
    channel_base=512,
    channel_max=16,
    mapping_depth=2,
    gan_steps=3,
    gan_batch=8,
    backbone="small",
    encoder_width=4,
    encoder_steps=3,
    encoder_batch=8,
)


def test_every_part_of_the_catalogue_is_used_and_features_are_memberships():
    data = pretraining(count=16)
    encoder, run = fitted(SMALL, data)
    assert sorted(set(encoder.part_of.tolist())) == list(range(8))
    assert run.facts["part_shares"] == sorted(run.facts["part_shares"], reverse=True)
    json.dumps(run.facts)
    features = encoder.represent(data.val[:])
    channels = sum(s.shape[1] for s in encoder.generator.styles(torch.zeros(1, 16)))
    assert features.shape == (16, 8 * channels)
    assert set(features.unique().tolist()) <= {0.0, 1.0}
    assert_batch_independent(encoder, data.val)
    pictures = encoder.pictures(data.val[:4])
    assert list(pictures) == ["reconstruction", "sample", "coarse_half_of_next", "parts"]
    assert all(p.shape == (4, 3, 16, 16) and p.min() >= 0 and p.max() <= 1 for p in pictures.values())
