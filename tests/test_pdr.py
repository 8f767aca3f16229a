"""The physically disentangled representation: networks, model, losses, checkpoints, and what its encoder gives."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from pdr_small import SIZE, small
from training import build, fitted, pretraining

from bench.api import BadInput, Images
from methods.pdr.encoder import load_published, parse_blocks
from methods.pdr.factors import Factors, LossWeights
from methods.pdr.losses import photometric, smoothness, structure
from methods.pdr.model import MAX_DEPTH, MIN_DEPTH, Model
from methods.pdr.networks import ConfNet, EDDeconv, Encoder, UNetEDDeconv
from methods.pdr.training import learned_share


@pytest.fixture
def x():
    return pretraining(4, SIZE).train[:]


class TestNetworks:
    @pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
    def test_sizes(self, size):
        x = torch.zeros(1, 3, size, size)
        out, features = EDDeconv(size, 1, 4, zdim=8)(x)
        assert out.shape == (1, 1, size, size)
        assert features.shape == (1, 8)
        assert [m.shape[-1] for m in EDDeconv(size, 1, 4).feature_maps(x)] == [
            size >> i for i in range(1, int(math.log2(size)) - 1)
        ]
        fine, coarse = ConfNet(size, 4)(x)
        assert (fine.shape, coarse.shape) == ((1, 2, size, size), (1, 2, size // 4, size // 4))
        assert fine.min() > 0
        numbers, features = Encoder(size, 6, 4)(x)
        assert (numbers.shape, features.shape) == ((1, 6), (1, 32))

    def test_the_heads_of_unsup3d_are_bounded_and_the_authors_are_not(self):
        for bounded in (True, False):
            network = Encoder(16, 4, 4, bounded)
            with torch.no_grad():
                network.conv.weight.mul_(1000)
            numbers, features = network(torch.rand(8, 3, 16, 16))
            assert (numbers.abs().max() <= 1) == bounded
            assert bounded or features.max() < 1

    def test_refuses_other_sizes(self):
        for size in (8, 48, 100):
            with pytest.raises(BadInput, match="power of two"):
                Encoder(size, 4, 4)
        with pytest.raises(BadInput, match="64 pixels, not 32"):
            UNetEDDeconv(32, 1, 4)
        with pytest.raises(BadInput, match="from 8 to 32, not 64"):
            EDDeconv(32, 1, 4, detail=64)


class TestModel:
    def test_ranges(self, x):
        for domain, border, least in (("face", 1.04, 0.0), ("car", 1.08, 0.5)):
            model = Model(SIZE, domain, nf=4, nf_pose=4, zdim=8)
            with torch.no_grad():
                for network in (model.netL.conv, model.netV.conv):
                    network.weight.mul_(1e4)
                factors, _ = model.decompose(x)
                rendering = model.render(factors)
            assert factors.depth.min() >= MIN_DEPTH
            assert factors.depth.max() <= MAX_DEPTH
            assert (rendering.depth[:, :, [0, 1, -2, -1]] - border).abs().max() < 1e-6
            assert factors.light[:, 1].min() >= least
            torch.testing.assert_close(factors.light[:, 2:].norm(dim=1), torch.ones(4))
            assert factors.view[:, :3].abs().max() <= math.radians(60) + 1e-6
            assert factors.view[:, 3:5].abs().max() <= 0.1 + 1e-6
            assert (factors.view[:, 5] == 0).all()

    def test_a_frontal_view_shows_the_canonical_image(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        factors, _ = model.decompose(x)
        rendering = model.render(Factors(factors.depth, factors.albedo, factors.light, torch.zeros(4, 6)))
        assert rendering.valid[:, 2:-2, 2:-2].all()
        inside = (..., slice(4, -4), slice(4, -4))
        torch.testing.assert_close(rendering.image[inside], rendering.canonical[inside], atol=2e-2, rtol=0)

    def test_relighting_moves_the_shading_alone(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        model.blend.fill_(0)
        factors = model.decompose(x)[0].detach()
        one, two = (
            model.render(
                Factors(factors.depth, factors.albedo, torch.tensor([[0.2, 0.6, s, 0, 0.8]] * 4), factors.view)
            )
            for s in (-0.6, 0.6)
        )
        assert torch.equal(one.view_depth, two.view_depth)
        sides = [[side.mean().item() for side in r.shading[..., 4:-4].chunk(2, dim=2)] for r in (one, two)]
        assert sides[0][0] != pytest.approx(sides[0][1], abs=0.05)
        assert sides[0] == pytest.approx(sides[1][::-1], abs=0.1)

    def test_relighting_a_rendering_is_rendering_under_the_other_light(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        factors, _ = model.decompose(x)
        under_another = replace(factors, light=torch.tensor([[0.2, 0.6, 0.6, 0, 0.8]] * 4))
        relit, expected = model.relight(model.render(factors), under_another), model.render(under_another)
        for field in fields(expected):
            torch.testing.assert_close(getattr(relit, field.name), getattr(expected, field.name))

    def test_a_symmetric_object_is_its_own_mirrored_explanation(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        model.blend.fill_(0)
        factors, _ = model.decompose(x)
        both, once = model.render(factors.with_mirrored()), model.render_both(factors)
        torch.testing.assert_close(*both.image.chunk(2), atol=1e-5, rtol=0)
        assert len(once.image) == len(x)  # so it is rendered once, with the same losses
        for sigmas in ([], list(model.netC(x * 2 - 1))):
            given = (factors, x, sigmas, LossWeights(smoothness=0.1), None)
            expected = model.losses(both, *given)
            for name, term in model.losses(once, *given).items():
                torch.testing.assert_close(term, expected[name], atol=1e-5, rtol=0)

    def test_the_dome_is_convex_towards_the_camera_and_the_learned_part_fades_in(self):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        raw = torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        model.blend.fill_(0)
        held = model.canonical_depth(raw)
        row, column = divmod(int(held.argmin()), SIZE)
        assert column in (SIZE // 2 - 1, SIZE // 2)  # nearest in the middle,
        assert SIZE // 2 < row < 2 * SIZE // 3  # at the tip of the nose
        assert held.min() < held[0, 0, 0]
        torch.testing.assert_close(held, held.flip(2))
        in_front = model.relief < model.relief[0, 0] - 0.1
        assert in_front.any(1).sum() > in_front.any(0).sum()  # heads are upright
        albedo = torch.rand(1, 3, SIZE, SIZE)
        torch.testing.assert_close(model.canonical_albedo(albedo), model.canonical_albedo(albedo).flip(3))
        model.blend.fill_(1)
        assert not torch.allclose(model.canonical_depth(raw), held)
        assert torch.equal(model.canonical_albedo(albedo), albedo)
        shares = [learned_share(step, 100, 0.3, 0.6) for step in (0, 29, 44, 59, 99)]
        assert shares == pytest.approx([0, 0, 0.5, 1, 1])
        number = torch.ones(1, 6)
        assert (model.scaled_view(number)[0, 3:5] > 0).all()
        model.blend.fill_(0)
        assert (model.scaled_view(number)[0, 3:] == 0).all()
        assert learned_share(0, 1, 0.3, 0.6) == learned_share(0, 9, 0.0, 0.0) == 1  # too short, and no curriculum
        assert learned_share(3, 9, 0.5, 0.5) == 0 and learned_share(4, 9, 0.5, 0.5) == 1  # let go of at once


class TestLosses:
    def test_only_masked_pixels_count(self):
        image, target = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
        mask = torch.zeros(2, 1, 16, 16)
        mask[..., :8] = 1
        spoiled = torch.where(mask > 0, image, torch.tensor(100.0))
        for loss in (photometric, structure):
            torch.testing.assert_close(loss(image, target, mask), loss(spoiled, target, mask))
            assert loss(image, image, mask) == 0

    def test_structure_ignores_a_constant_and_smoothness_a_plane_of_no_slope(self):
        image, mask = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
        assert structure(image, image + 0.3, mask) < 1e-6
        assert structure(image, image.flip(3), mask) > 0.1
        assert smoothness(torch.full((1, 8, 8), 0.95), 0.2) == 0

    def test_a_sigma_that_fits_the_error_is_best(self):
        image, target, mask = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.1), torch.ones(1, 1, 8, 8)
        best = 0.1 * 2**0.5
        loss = [photometric(image, target, mask, torch.full((1, 1, 8, 8), best * k)) for k in (0.8, 1, 1.2)]
        assert loss[1] < min(loss[0], loss[2])


class TestTemplate:
    def test_is_shared_by_all_images_and_its_relief_is_the_domes(self):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, detail=8, bump=1.0, template=True)
        plain = model.canonical_depth(torch.zeros(2, SIZE, SIZE))
        dome = torch.nn.functional.interpolate(model.relief[None, None], 8, mode="area")[0, 0]
        model.template.data.copy_(dome)  # deeper relief of the same shape: not the images' to say
        deeper = model.canonical_depth(torch.zeros(2, SIZE, SIZE))
        assert (deeper - plain).abs().mean() < 0.25 * (plain - plain.mean()).abs().mean()
        model.template.data.zero_()[6, 4] = -1  # a nose
        nose = model.canonical_depth(torch.zeros(2, SIZE, SIZE))
        assert (plain - nose).max() > 0.02
        assert torch.equal(nose[0], nose[1])

    def test_what_was_added_to_the_dome_is_read_back_off_the_depth(self):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        raw = 0.3 * torch.randn(2, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        added = model.without_dome(raw - raw.mean((1, 2), keepdim=True))
        torch.testing.assert_close(model.added_to_dome(model.canonical_depth(raw)), added, atol=0.02, rtol=0.02)
        assert model.added_to_dome(model.canonical_depth(torch.zeros(1, SIZE, SIZE))).abs().max() < 0.005

    def test_what_a_batch_shares_and_what_is_each_images_own_are_held_apart(self):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        shape = 0.2 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        shape = model.without_dome(shape[None] - shape.mean())[0]
        alike = model.squares_added_to_dome(model.canonical_depth(torch.stack((shape, shape))))
        opposed = model.squares_added_to_dome(model.canonical_depth(torch.stack((shape, -shape))))
        assert [float(square) for square in alike] == pytest.approx([0, float(shape.square().mean())], abs=1e-3)
        assert [float(square) for square in opposed] == pytest.approx([float(shape.square().mean()), 0], abs=1e-3)

    @pytest.mark.parametrize("which", [0, 1])
    def test_keeping_near_the_dome_makes_what_is_added_smaller(self, which):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        raw = torch.randn(2, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
        before = model.squares_added_to_dome(model.canonical_depth(raw))[which]
        (slope,) = torch.autograd.grad(before, raw)
        assert model.squares_added_to_dome(model.canonical_depth(raw - 100 * slope))[which] < 0.9 * before

    def test_learns_faster_than_the_networks_and_is_not_pulled_back(self):
        method = small(template=5.0, lr=1e-3)
        networks, template = method.optimiser(build(method, SIZE).model).param_groups
        assert (networks["lr"], template["lr"], template["weight_decay"]) == (1e-3, 5e-3, 0)
        assert len(template["params"]) == 1
        assert build(small(template=0.0), SIZE).model.template is None


def unsup3d_names(model: Model) -> dict[str, dict[str, torch.Tensor]]:
    """The state of a model in unsup3d's layout: one `network` each."""
    released = {}
    for name in ("netD", "netA", "netL", "netV", "netC"):
        network, state = getattr(model, name), {}
        for key, tensor in getattr(model, name).state_dict().items():
            if name in ("netD", "netA") and key.startswith("network_up."):
                number, rest = key.removeprefix("network_up.").split(".", 1)
                key = f"network.{int(number) + len(network.network_down)}.{rest}"
            key = key.replace("network_down.", "network.")
            state[key.replace("conv.", f"network.{len(network.network)}.") if name in ("netL", "netV") else key] = (
                tensor
            )
        released[name] = state
    return released


class TestPublishedCheckpoints:
    def test_loads_both_layouts(self, tmp_path, x):
        released = Model(64, "face", nf=4, nf_pose=4, zdim=8)
        authors = {name: getattr(released, name).state_dict() for name in ("netD", "netA", "netL", "netV", "netC")}
        torch.save({**authors, "epoch": 30, "optimizerD": {"lr": 1e-4}}, tmp_path / "authors.pth")
        other = unsup3d_names(released)
        assert "network.10.weight" in other["netL"]
        assert "network.42.weight" in other["netD"]
        torch.save(other, tmp_path / "unsup3d.pth")
        for path in ("authors.pth", "unsup3d.pth"):
            model = Model(64, "face", nf=4, nf_pose=4, zdim=8)
            load_published(model, tmp_path / path)
            for name, tensor in released.state_dict().items():
                assert torch.equal(tensor, model.state_dict()[name]), name

    def test_a_checkpoint_replaces_training(self, tmp_path):
        released = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8)
        torch.save({f"net{k}": getattr(released, f"net{k}").state_dict() for k in "DALV"}, tmp_path / "it.pth")
        encoder, run = fitted(small(weights=str(tmp_path / "it.pth")), pretraining(4, SIZE))
        assert (encoder.model.relief == 0).all()  # the released depth networks know of no dome
        assert torch.equal(encoder.model.netV.conv.weight, released.netV.conv.weight)
        assert run.facts["weights"].endswith("it.pth")

    def test_names_the_first_misfit(self, tmp_path):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8)
        state = {f"net{k}": getattr(model, f"net{k}").state_dict() for k in "DALV"}
        state["netA"] = {**state["netA"], "network_up.0.weight": torch.zeros(3, 3, 4, 4)}
        torch.save(state, tmp_path / "misfit.pth")
        with pytest.raises(BadInput, match=r"misfit.pth, netA: tensor 'network_up.0.weight' is \(3, 3, 4, 4\)"):
            load_published(model, tmp_path / "misfit.pth")
        torch.save({"something": torch.zeros(1)}, tmp_path / "other.pth")
        with pytest.raises(BadInput, match="has no network 'netD'"):
            load_published(model, tmp_path / "other.pth")


class TestEncoder:
    def test_blocks(self, x):
        encoder = build(small(blocks="depth+albedo"), SIZE)
        blocks = encoder.encode(x)
        assert {name: block.shape[1] for name, block in blocks.items()} == {
            "depth": 8,
            "albedo": 8,
            "light": 32,
            "view": 32,
        }
        torch.testing.assert_close(encoder.represent(x), torch.cat([blocks["depth"], blocks["albedo"]], 1))
        assert build(small(blocks="all"), SIZE).represent(x).shape == (4, 80)
        torch.testing.assert_close(encoder.model.decompose(x)[1]["view"], blocks["view"])
        with pytest.raises(BadInput, match="no block 'shape'"):
            parse_blocks("depth+shape")

    def test_pyramid(self, x):
        maps = build(small(), SIZE).pyramid(x)
        assert [tuple(m.shape[1:]) for m in maps] == [(8, 16, 16), (16, 8, 8), (32, 4, 4)]
        assert [m.shape[1] for m in build(small(blocks="depth"), SIZE).pyramid(x)] == [4, 8, 16]
        assert [m.shape[1] for m in build(small(blocks="view"), SIZE).pyramid(x)] == [8, 16, 32]

    def test_pictures(self, x):
        pictures = build(small(), SIZE).pictures(x)
        assert next(iter(pictures)) == "reconstruction"
        wanted = {"canonical", "depth", "normals", "albedo", "shading", "relit_left", "turned_left", "turned_right"}
        assert wanted < set(pictures)
        for picture in pictures.values():
            assert picture.shape == x.shape
            assert 0 <= picture.min() <= picture.max() <= 1

    def test_physical_statements_are_in_the_views_frame(self, x):
        encoder = build(small(bump=2.0), SIZE)
        model = encoder.model
        with torch.no_grad():
            stated = encoder.physical(x)
            factors, _ = model.decompose(x)
        assert stated["depth"].shape == stated["valid"].shape == (4, SIZE, SIZE)
        assert stated["normals"].shape == (4, SIZE, SIZE, 3)
        torch.testing.assert_close(stated["light"][:, 2:].norm(dim=1), torch.ones(4))
        # Turned by a quarter about the camera's axis, light along +x falls along +y.
        turned = Factors(factors.depth, factors.albedo, torch.tensor([[0.5, 0.5, 0.6, 0, 0.8]] * 4), factors.view * 0)
        turned.view[:, 2] = math.pi / 2
        model.decompose = lambda x: (turned, {})
        torch.testing.assert_close(encoder.physical(x)["light"][0, 2:], torch.tensor([0, 0.6, 0.8]), atol=1e-6, rtol=0)

    def test_features_do_not_depend_on_the_batch(self):
        encoder = build(small(), SIZE)
        images: Images = pretraining(4, SIZE).train
        together = encoder.represent(images[:])
        alone = torch.cat([encoder.represent(images[np.array([i])]) for i in range(4)])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
