"""The methods on timm backbones: SimCLR, supervised training, pretrained networks."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from training import assert_batch_independent, assert_resumes, build, fitted, pretraining

from bench.api import BadInput, Target, Unavailable
from bench.run import Run
from methods.simclr import SimCLR, _hue_rotation, colour_jitter, crop_and_flip, nt_xent
from methods.supervised import Supervised, label_loss, shifted
from methods.timm import Timm

TINY = "test_resnet"


def test_nt_xent_agrees_with_pytorch_metric_learning():
    from pytorch_metric_learning.losses import NTXentLoss

    torch.manual_seed(0)
    a, b = torch.randn(2, 8, 5)
    expected = NTXentLoss(temperature=0.5)(torch.cat([a, b]), torch.arange(8).repeat(2))
    assert nt_xent(a, b, 0.5).item() == pytest.approx(expected.item(), rel=1e-5)


def test_augmentations_keep_range_and_grey_and_move_content():
    torch.manual_seed(0)
    x = torch.rand(64, 3, 16, 16)
    y = colour_jitter(crop_and_flip(x, 0.2), 0.5)
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() <= 1
    assert (y - x).abs().mean() > 0.1
    grey = (y.amax(dim=1) - y.amin(dim=1)).amax(dim=(1, 2)) < 1e-5
    assert 4 <= int(grey.sum()) <= 24  # 2 of 10 of 64
    turn = _hue_rotation(torch.tensor([2 * torch.pi / 3]))[0]  # a third of the circle permutes the primaries
    torch.testing.assert_close(turn @ torch.eye(3), torch.eye(3).roll(1, dims=0), atol=1e-6, rtol=0)


def test_crops_are_upright_and_half_are_mirrored():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32)
    rows = crop_and_flip(ramp, 0.2)[:, 0]
    torch.testing.assert_close(rows, rows[:, :1].expand_as(rows), atol=1e-5, rtol=0)
    extent = rows[:, 0, -1] - rows[:, 0, 0]  # the share of the width that was kept, negative where mirrored
    assert 70 < int((extent < 0).sum()) < 130
    assert extent.abs().min() > 0.3  # sqrt(0.2 * 3 / 4) = 0.39 of the width at least, less a pixel
    assert extent.abs().max() <= 1


def test_simclr_resumes_and_learns(tmp_path):
    data = pretraining(count=32, size=32)
    assert_resumes(SimCLR(model=TINY, steps=4, batch=8), data, tmp_path)
    encoder, run = fitted(SimCLR(model=TINY, steps=25, batch=32), data)
    losses = [value for _, value in run.curves["loss"]]
    assert losses[-1] < losses[0]
    validation = [value for _, value in run.curves["val_loss"]]
    assert len(validation) == 25
    assert validation[-1] < validation[0]
    assert_batch_independent(encoder, data.val)
    assert [m.shape[-1] for m in encoder.pyramid(data.val[:1])] == [16, 8, 4, 2, 1]


def brightness_target(kind: str) -> Target:
    """Labels that the pixels tell: is the image (or the pixel) bright, or red?"""
    data = pretraining(count=48, size=32)

    def labels(images) -> np.ndarray:
        x = images[:].numpy()
        if kind == "dense":
            return (x.mean(axis=1) > 0.5).astype(np.uint8)
        bright, red = x.mean(axis=(1, 2, 3)) > 0.5, x[:, 0].mean(axis=(1, 2)) > x[:, 1].mean(axis=(1, 2))
        return bright.astype(np.int64) if kind == "multi-class" else np.stack([bright, red], 1).astype(np.int8)

    return Target(kind, ("a", "b"), data, labels(data.train), labels(data.val))


@pytest.mark.parametrize("kind", ["multi-class", "multi-label", "dense"])
def test_supervised_learns_labels_of_every_kind(kind, tmp_path):
    target = brightness_target(kind)
    method = Supervised(model=TINY, steps=40, batch=16, validate_every=10, lr=0.003)
    run = Run(seed=0, scratch=tmp_path, target=target)
    encoder = build(method, 32)
    method.fit(encoder, target.images, run)
    losses = [value for _, value in run.curves["val_loss"]]
    assert run.facts["val_loss"] == min(losses) < 0.55  # knowing nothing: log 2 = 0.69
    assert 0 <= run.facts["best_step"] < 40


def test_supervised_resumes(tmp_path):
    target = brightness_target("multi-class")
    method = Supervised(model=TINY, steps=6, batch=8, validate_every=2)
    ends = []
    for name, die_at in (("whole", None), ("cut", 5)):
        (tmp_path / name).mkdir()

        def report(done: int, total: int, what: str, die_at: int | None = die_at) -> None:
            if done == die_at:
                raise KeyboardInterrupt

        if die_at is not None:
            with pytest.raises(KeyboardInterrupt):
                first = Run(seed=0, scratch=tmp_path / name, report=report, checkpoint_every=0.0, target=target)
                method.fit(build(method, 32), target.images, first)
        encoder = build(method, 32)
        method.fit(encoder, target.images, Run(seed=0, scratch=tmp_path / name, target=target))
        ends.append(encoder.represent(target.images.val[:]))
    assert torch.equal(*ends)


def test_a_resnet_can_be_narrower_than_timms():
    narrow, usual = (build(Supervised(model="resnet10t", width=width), 32) for width in (16, None))
    x = torch.rand(2, 3, 32, 32)
    assert narrow.represent(x).shape == (2, 128)
    assert usual.represent(x).shape == (2, 512)
    with pytest.raises(BadInput, match="widths of timm's 'vit_tiny_patch16_224' cannot be set"):
        build(Supervised(model="vit_tiny_patch16_224", width=16), 32)


def test_supervised_needs_labels(tmp_path):
    with pytest.raises(BadInput, match="labels"):
        fitted(Supervised(model=TINY), pretraining(size=32))


def test_unknown_labels_do_not_count():
    scores = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    one = torch.nn.functional.cross_entropy(scores[:1], torch.tensor([0]))
    assert label_loss(scores, torch.tensor([0, -1]), "multi-class") == pytest.approx(float(one))
    attributes = torch.tensor([[1, -1], [-1, -1]])
    assert label_loss(scores, attributes, "multi-label") == pytest.approx(float(torch.tensor(-2.0).exp().log1p()))
    assert label_loss(scores, torch.tensor([-1, -1]), "multi-class") == 0


def test_dense_labels_move_with_their_image():
    torch.manual_seed(0)
    labels = torch.randint(0, 5, (8, 16, 16), dtype=torch.uint8)
    x = labels[:, None].float().expand(-1, 3, -1, -1)
    moved, moved_labels = shifted(x, labels, 3, dense=True)
    inside = moved_labels != 255
    assert torch.equal(moved[:, 0][inside], moved_labels[inside].float())
    assert 0.5 < inside.float().mean() < 1


def test_pretrained_weights_come_from_a_local_file(tmp_path):
    torch.manual_seed(1)
    source = timm.create_model(TINY, num_classes=10)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    torch.save({"state_dict": source.state_dict()}, tmp_path / "model.pth")
    data = pretraining(count=4, size=32)
    for name in ("model.safetensors", "model.pth"):
        encoder, _ = fitted(Timm(model=TINY, weights=str(tmp_path / name), size=64), data)
        with torch.no_grad():
            features = encoder.represent(data.val[:])
            expected = source.eval().forward_head(
                source.forward_features(encoder.normalised(data.val[:])), pre_logits=True
            )
        torch.testing.assert_close(features, expected)


def test_missing_or_foreign_weights_say_so(tmp_path):
    data = pretraining(count=4, size=32)
    with pytest.raises(Unavailable, match=r"huggingface.co/timm/test_resnet"):
        fitted(Timm(model=TINY), data)
    with pytest.raises(BadInput, match="no such file"):
        fitted(Timm(model=TINY, weights=str(tmp_path / "absent.pth")), data)
    save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="has no tensor"):
        fitted(Timm(model=TINY, weights=str(tmp_path / "other.safetensors")), data)
    with pytest.raises(BadInput, match="did you mean resnet18"):
        build(Timm(model="resnet_18"), 32)


def test_other_weights_under_the_same_name_make_records_stale(tmp_path):
    from bench.config import load_profile
    from bench.plan import Settings, make_cells
    from bench.registry import Registry

    weights = tmp_path / "model.safetensors"
    registry = Registry()
    settings = Settings(registry, load_profile("smoke", (), registry), tmp_path, tmp_path, None)

    def cell(spec: str):
        return make_cells([spec], ["emotion"], (0,), settings)[0]

    found = []
    for content in (b"one", b"two", b"one"):
        weights.write_bytes(content)
        found.append(cell(f"timm[weights={weights}]"))
    a, b, again = found
    assert a.key == b.key and a.source != b.source and a.fit_source != b.fit_source
    assert again == a
    assert cell("pixels").source == cell("pixels").source
    weights.unlink()
    assert cell(f"timm[weights={weights}]").key == a.key  # the method itself says what is missing


def test_protocols_that_train_on_the_same_labels_share_one_supervised_training(tmp_path):
    from bench.config import load_profile
    from bench.plan import Settings, make_cells
    from bench.registry import Registry

    registry = Registry()
    settings = Settings(registry, load_profile("smoke", (), registry), tmp_path, tmp_path, None)
    tasks = [f"identity[protocol={p}]" for p in ("linear", "clustering", "knn", "few_label", "verification")]
    artefacts = [cell.artefact for cell in make_cells(["supervised"], tasks, (0,), settings)]
    assert len(set(artefacts[:4])) == 1
    assert artefacts[4] != artefacts[0], "verification trains on other people"
