"""Training the physical model: LOOCC, the cycle of view and light, the loop around them."""

from __future__ import annotations

import math
import time

import pytest
import torch
from pdr_small import SIZE, small
from training import Killed, build, fitted, pretraining

from bench.api import BadInput, Unavailable
from bench.run import NotFinite, Run
from methods.pdr import cycle, loocc, symmetry
from methods.pdr.factors import Factors
from methods.pdr.method import PDR
from methods.pdr.model import Model
from methods.pdr.training import EarlyStopping, Stopwatch


@pytest.fixture
def x():
    return pretraining(4, SIZE).train[:]


class TestLoocc:
    def model(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        return model, model.decompose(x)[0]

    def test_changed_light_stays_a_light(self):
        torch.manual_seed(0)
        light = torch.tensor([[0.9, 0.1, 0.0, 0.6, 0.8]]).expand(200, 5)
        changed = loocc.changed_light(light, 1.0)
        assert changed[:, :2].min() == 0
        assert changed[:, :2].max() == 1
        torch.testing.assert_close(changed[:, 2:].norm(dim=1), torch.ones(200))
        assert (changed - light).abs().amax(0).min() > 0.2

    def test_changed_view_keeps_roll_and_place(self):
        torch.manual_seed(0)
        moved = loocc.changed_view(torch.zeros(500, 6), 2.0)
        assert (moved[:, 2:] == 0).all()
        assert moved[:, 0].abs().max() == pytest.approx(math.pi / 8, rel=0.05)
        assert moved[:, 1].abs().max() == pytest.approx(math.pi / 4, rel=0.05)

    @pytest.mark.parametrize("change", ["light", "view", "simclr"])
    def test_the_changed_image_is_data(self, x, change):
        model, factors = self.model(x)
        image = loocc.changed_image(model, x, factors, model.render(factors), change, 1.0)
        assert image.shape == x.shape
        assert not image.requires_grad
        assert 0 <= image.min() <= image.max() <= 1
        assert (image - x).abs().mean() > 0.01

    def test_no_change_gives_back_the_reconstruction_over_the_input(self, x):
        model, factors = self.model(x)
        seen = model.render(factors)
        image = loocc.changed_image(model, x, factors, seen, "view", 0.0)
        expected = torch.where(seen.valid[:, None], seen.image / 2 + 0.5, x)
        torch.testing.assert_close(image, expected.clamp(0, 1))

    def test_the_changed_block_is_left_out(self):
        before = {name: torch.randn(6, 5) for name in ("depth", "albedo", "light", "view")}
        after = {name: block for name, block in before.items() if name != "light"}
        loss = loocc.loocc_loss(before, after, 0.5, True)
        before["light"] = torch.randn(6, 5)
        assert loocc.loocc_loss(before, after, 0.5, True) == loss
        assert loocc.loocc_loss(before, {**after, "view": torch.randn(6, 5)}, 0.5, True) > loss

    def test_normalised_features_ignore_scale(self):
        before = {name: torch.randn(6, 5) for name in ("depth", "albedo", "view")}
        after = {name: torch.randn(6, 5) for name in before}
        scaled = {name: 10 * block for name, block in after.items()}
        torch.testing.assert_close(
            loocc.loocc_loss(before, scaled, 0.5, True), loocc.loocc_loss(before, after, 0.5, True)
        )
        assert loocc.loocc_loss(before, scaled, 0.5, False) != loocc.loocc_loss(before, after, 0.5, False)

    def test_both_draws_both(self):
        torch.manual_seed(0)
        assert {loocc.draw_change("both") for _ in range(20)} == {"light", "view"}
        assert loocc.draw_change("light") == "light"


class TestCycle:
    def scene(self, x):
        model = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
        light, view = torch.tensor([[0.3, 0.5, 0.3, 0.1, 0.95]] * 4), torch.tensor([[0.05, 0.2, 0, 0, 0, 0]] * 4)
        factors = Factors(model.canonical_depth(torch.zeros(4, SIZE, SIZE)), torch.zeros(4, 3, SIZE, SIZE), light, view)
        return model, factors.detach(), model.render(factors.detach())

    def test_textured_by_itself_an_image_renders_as_itself(self):
        smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4), SIZE, mode="bicubic").clamp(0, 1)
        model, factors, rendering = self.scene(smooth)
        again = model.render(cycle.textured(model, smooth, factors, rendering))
        inside = (again.valid & (rendering.shading > 0.1))[:, None, 4:-4, 4:-4]
        error = (again.image[..., 4:-4, 4:-4] / 2 + 0.5 - smooth[..., 4:-4, 4:-4]).abs() * inside
        assert error.mean() < 0.02

    def test_nothing_to_learn_when_all_is_read_right(self, x, monkeypatch):
        model, factors, rendering = self.scene(x)
        model.blend.fill_(1)
        drawn = {}
        for name in ("drawn_view", "drawn_light"):
            draw = getattr(cycle, name)
            monkeypatch.setattr(cycle, name, lambda *given, name=name, draw=draw: drawn.setdefault(name, draw(*given)))
        model.scaled_view = lambda numbers: drawn["drawn_view"] + 0.1  # a constant offset is a convention
        model.canonical_light = lambda numbers: drawn["drawn_light"]
        changed = cycle.changed_images(model, x, factors, rendering)
        assert cycle.cycle_loss(model, *changed) == pytest.approx(0, abs=1e-6)
        model.scaled_view = lambda numbers: torch.zeros_like(drawn["drawn_view"])
        assert cycle.cycle_loss(model, *changed) > 0.05

    def test_teaches_view_and_light_alone(self, x):
        model, factors, rendering = self.scene(x)
        cycle.cycle_loss(model, *cycle.changed_images(model, x, factors, rendering)).backward()
        touched = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
        assert touched == {"netV", "netL"}

    def test_no_translation_is_drawn_while_the_model_knows_of_none(self, x):
        model, factors, _ = self.scene(x)
        model.blend.fill_(0)
        assert (cycle.drawn_view(model, factors.view)[:, 3:] == 0).all()


class TestTraining:
    def test_learns(self):
        data = pretraining(32, SIZE)
        encoder, run = fitted(small(steps=60, lr=2e-3, loocc="off", confidence=False), data)
        curve = [value for _, value in run.curves["val_loss"]]
        assert curve[-1] < 0.8 * curve[0]
        assert encoder.model.blend == 1
        assert run.facts["optimiser_steps"] == 60
        assert run.facts["images_seen"] == 480
        assert sum(run.facts["time_share"].values()) == pytest.approx(1, abs=0.01)
        assert set(run.facts["time_share"]) == {"network", "rendering", "rest"}

    @pytest.mark.parametrize("domain", ["face", "car"])
    @pytest.mark.parametrize("mode", ["off", "light", "view", "both", "simclr"])
    def test_every_loocc(self, mode, domain, tmp_path):
        data = pretraining(8, SIZE)
        method = small(steps=2, loocc=mode)
        encoder = method.build(SIZE, domain)
        before = encoder.model.netD.network_down[0].weight.clone()
        run = Run(seed=0, scratch=tmp_path)
        method.fit(encoder, type(data)(data.train, data.val, domain), run)
        assert ("loocc" in run.curves) == (mode != "off")
        assert not torch.equal(before, encoder.model.netD.network_down[0].weight)

    def test_the_depth_network_rests_while_the_dome_is_held(self, x):
        """Adam would turn weight decay, or LOOCC of a dome seen again, into full steps that empty it."""
        method = small(loocc="both", weight_decay=0.01)
        model = build(method, SIZE).model
        optimiser = method.optimiser(model)
        before = {name: p.clone() for name, p in model.named_parameters()}
        for blend in (0.0, 0.5):
            model.blend.fill_(blend)
            method.gradients(model, x, method.loss_weights("face"), None, optimiser, Stopwatch(x.device))
            optimiser.step()
            moved = {name.split(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
            assert {"netA", "netL", "netV"} <= moved and ("netD" in moved) == (blend > 0)

    def test_split_backward_gives_the_whole_gradient(self, x):
        method = small(loocc="light", confidence=True, precision="float32")
        model = build(method, SIZE).model
        weights = method.loss_weights("face")
        optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
        torch.manual_seed(3)
        method.gradients(model, x, weights, None, optimiser, Stopwatch(x.device))
        found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        torch.manual_seed(3)
        factors, features = model.decompose(x)
        rendering = model.render_both(factors)
        loss = model.losses(rendering, factors, x, model.netC(x * 2 - 1), weights, None)["loss"]
        loss = loss + weights.symmetry * symmetry.symmetry_loss(model, x, factors, rendering.first(len(x)))
        image = loocc.changed_image(model, x, factors, rendering.first(len(x)).detach(), "light", 1.0)
        again = model.features(image, ["depth", "albedo", "view"])
        loss = loss + method.loocc_weight * loocc.loocc_loss(features, again, 0.5, True)
        changed = cycle.changed_images(model, x, factors.detach(), rendering.first(len(x)))
        (loss + method.cycle * cycle.cycle_loss(model, *changed)).backward()
        for name, p in model.named_parameters():
            if p.grad is not None and p.grad.abs().max() > 0:
                scale = p.grad.abs().max()
                torch.testing.assert_close(found[name] / scale, p.grad / scale, atol=1e-4, rtol=0)

    def test_bfloat16_is_for_the_networks_alone(self, x, monkeypatch):
        monkeypatch.setattr("methods.common.computes_bfloat16", lambda device: True)
        method = small(loocc="view", precision="auto")
        model = build(method, SIZE).model
        used = {"render": set(), "decompose": set()}
        for name, seen in used.items():
            inner = getattr(model, name)

            def watched(*given, inner=inner, seen=seen):
                seen.add(torch.is_autocast_enabled("cpu"))
                return inner(*given)

            monkeypatch.setattr(model, name, watched)
        weights, optimiser = method.loss_weights("face"), method.optimiser(model)
        method.gradients(model, x, weights, None, optimiser, Stopwatch(x.device))
        assert used == {"render": {False}, "decompose": {True}}

    def test_resumes_to_the_step(self, tmp_path):
        data = pretraining(16, SIZE)
        method = small(steps=6)
        whole, whole_run = fitted(method, data)

        def report(done, total, what):
            if done == 3:
                raise Killed

        with pytest.raises(Killed):
            method.fit(build(method, SIZE), data, Run(seed=0, scratch=tmp_path, report=report, checkpoint_every=0.0))
        resumed, resumed_run = fitted(method, data, tmp_path)
        for name, tensor in whole.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[name]), name
        assert whole_run.curves == resumed_run.curves

    def test_stops_early_and_keeps_the_best_weights(self):
        data = pretraining(8, SIZE)
        method = small(steps=60, lr=0.0, patience=3, hold=0.0, blend=0.1)
        encoder, run = fitted(method, data)
        assert run.facts["optimiser_steps"] < 60
        best = EarlyStopping()
        best.update(1.0, encoder)
        best.update(2.0, encoder)
        assert (best.lowest, best.stale) == (1.0, 1)

    def test_nan_ends_training_with_a_reason(self, tmp_path):
        data = pretraining(8, SIZE)
        encoder = build(small(), SIZE)
        with torch.no_grad():
            encoder.model.netA.network_up[0].weight.fill_(torch.nan)
        with pytest.raises(NotFinite, match="became nan at step 0"):
            small().fit(encoder, data, Run(seed=0, scratch=tmp_path))

    def test_settings_of_the_domains(self):
        face, car = PDR().loss_weights("face"), PDR(perceptual="vgg16").loss_weights("car")
        assert (face.structure, face.flip) == (1.0, 0.5)
        assert (car.structure, car.flip, car.smoothness) == (0.01, 1.0, 0.1)
        assert PDR(perceptual="none").loss_weights("face").structure == 0
        assert face.near_dome_mean > face.near_dome > 0 == PDR(bump=0.0).loss_weights("face").near_dome
        assert PDR(near_dome=0.0).loss_weights("face").near_dome == 0
        assert PDR(nf=4).build(SIZE, "car").model.netC is None
        assert PDR(nf=4, confidence=True).build(SIZE, "car").model.netC is not None

    def test_least_diffuse_light(self):
        dark = torch.full((1, 4), -1.0)
        diffuse = {
            (domain, least): float(PDR(nf=4, least_diffuse=least).build(SIZE, domain).model.canonical_light(dark)[0, 1])
            for domain in ("face", "car")
            for least in (0.3, None)
        }
        assert diffuse == pytest.approx({("face", 0.3): 0.3, ("face", None): 0, ("car", 0.3): 0.3, ("car", None): 0.5})

    def test_vgg_needs_its_weights(self, tmp_path):
        data = pretraining(8, SIZE)
        with pytest.raises(Unavailable, match=r"set pdr[.]vgg"):
            fitted(small(perceptual="vgg16"), data)
        torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
        with pytest.raises(BadInput, match=r"has no tensor 'features\.\d+\.\w+'"):
            fitted(small(perceptual="vgg16", vgg=str(tmp_path / "vgg.pth")), data)


class TestStopwatch:
    def test_splits_the_time(self):
        watch = Stopwatch(torch.device("cpu"))
        watch.start(False)
        watch.lap("ignored")
        watch.start(True)
        time.sleep(0.02)
        watch.lap("long")
        watch.lap("short")
        shares = watch.shares()
        assert set(shares) == {"long", "short"}
        assert shares["long"] > 0.9
