"""Face segmentation: the published U-Net to the number, planted and noise maps, scores by hand."""

import golden
import numpy as np
import planted
import pytest
import torch

from bench.api import BadInput, Encoder, Unavailable
from tasks.face_segmentation import FaceSegmentation
from tasks.protocols import segmentation
from tasks.protocols.unet import WIDTHS, PixelHead, PyramidUNet, UNet, resized

N, SIZE, CLASSES = 80, 16, 3


def test_unet_reproduces_the_published_network():
    expected = golden.load("seg_unet")
    net = UNet(classes=19).eval()
    assert {key: list(value.shape) for key, value in net.state_dict().items()} == expected["state_dict"]
    golden.fill(net)
    taps = {}
    for name in ("center", "up_concat4", "up_concat2"):
        getattr(net, name).register_forward_hook(lambda _m, _i, out, name=name: taps.update({name: out}))
    with torch.no_grad():
        logits = net(golden.inputs(expected))
    for name, tensor in {"logits": logits, **taps}.items():
        golden.check(tensor, expected["outputs"][name])
    golden.check(logits.argmax(1), expected["outputs"]["argmax"])


class Maps(Encoder):
    """Feature maps at full and half resolution: some of the image's colours."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.channels = channels
        self.gain = torch.nn.Parameter(torch.ones(()))

    def pyramid(self, x):
        x = x[:, self.channels] * self.gain
        return [x, torch.nn.functional.avg_pool2d(x, 2)]


def masked_data():
    """Blobs of three classes, the first one most frequent, painted in green and blue; red is noise."""
    rng = np.random.default_rng(0)
    blobs = rng.choice(CLASSES, (N, SIZE // 4, SIZE // 4), p=[0.6, 0.2, 0.2]).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    data = planted.data_set({}, np.zeros((N, 1)), maps={"mask": blobs}, classes={"mask": ["back", "skin", "hair"]})
    data.images[..., 1:] = np.array([[0, 0], [255, 0], [0, 255]])[blobs]
    blobs[:, 0, 0] = segmentation.IGNORE
    return data


@pytest.mark.parametrize("model", ["linear", "unet_frozen", "unet_fine_tuned", "unet_random"])
def test_planted_classes_are_found(model, tmp_path):
    task = FaceSegmentation(model=model, steps=150, batch=4)
    data = masked_data()
    scores = {s.name: s for s in task.evaluate(Maps([1, 2]), data, planted.run(tmp_path)).scores}
    # the U-Nets are far from converged after so few steps
    assert scores["miou"].value >= (1 if model == "linear" else 0.9) - 1e-9


def test_noise_maps_give_chance(tmp_path):
    evaluation = FaceSegmentation(steps=100).evaluate(Maps([0]), masked_data(), planted.run(tmp_path))
    for score in evaluation.scores:
        assert score.low <= score.chance <= score.high
    assert evaluation.outcomes["main"].mean() == pytest.approx(evaluation.scores[0].value)


def test_masks_that_only_test_images_show_are_of_no_use(tmp_path):
    data = masked_data()
    hidden = np.concatenate([data.split("mask")[part] for part in ("train", "val")])
    data.images[hidden, :, :, 1:] = np.random.default_rng(1).integers(0, 256, (len(hidden), SIZE, SIZE, 2))
    scores = FaceSegmentation(steps=100).evaluate(Maps([1, 2]), data, planted.run(tmp_path)).scores
    assert scores[0].value < 0.5  # planted where they are learnt, they give 1


def test_only_fine_tuning_changes_the_network_and_never_the_encoder_it_was_given(tmp_path):
    encoder = Maps([1, 2])
    for model in ("unet_frozen", "unet_fine_tuned"):
        FaceSegmentation(model=model, steps=3).evaluate(encoder, masked_data(), planted.run(tmp_path / model))
    assert encoder.gain.item() == 1 and encoder.gain.requires_grad


def test_scores_by_hand(tmp_path):
    truth = np.array([[[0, 0], [1, 1]], [[0, 1], [1, segmentation.IGNORE]]], dtype=np.uint8)
    guess = np.array([[[0, 1], [1, 1]], [[0, 0], [1, 2]]], dtype=np.uint8)
    evaluation = segmentation.evaluate(guess, truth, np.arange(2), np.arange(2), ["a", "b", "never"])
    values = {s.name: s.value for s in evaluation.scores}
    # class a: 2 of 4 pixels that are or were called a; class b: 3 of 5; 5 of 7 pixels right
    expected = {"miou": 0.55, "miou_best10": 0.55, "pixel_accuracy": 5 / 7, "iou:a": 0.5, "iou:b": 0.6}
    assert values == pytest.approx(expected)


def test_pixel_head_equals_one_linear_layer_on_the_stacked_maps():
    head = PixelHead(Maps([0, 1, 2]), torch.rand(2, 3, 8, 8), classes=4)
    x = torch.rand(5, 3, 8, 8)
    head.train()
    head(x)
    head.eval()
    maps = [scale(m) for scale, m in zip(head.scale, head.encoder.pyramid(x), strict=True)]
    stacked = torch.cat([torch.nn.functional.interpolate(m, (8, 8), mode="bilinear") for m in maps], 1)
    weight = torch.cat([h.weight for h in head.heads], 1)
    assert torch.allclose(head(x), torch.nn.functional.conv2d(stacked, weight, head.heads[0].bias), atol=1e-5)


def test_maps_of_the_published_shape_are_decoded_as_they_are():
    class Contracting(Encoder):
        def pyramid(self, x):
            return [torch.ones(len(x), width, 64 >> i, 64 >> i) for i, width in enumerate(WIDTHS)]

    x = torch.rand(2, 3, 64, 64)
    net = PyramidUNet(Contracting(), x, classes=5, frozen=True).eval()
    assert all(isinstance(adapt, torch.nn.Identity) for adapt in net.adapt)
    assert torch.equal(net(x), net.decode(Contracting().pyramid(x)))
    other = PyramidUNet(Maps([0, 1]), x, classes=5, frozen=True)  # two maps for five resolutions
    assert other.sources == [0, 1, 1, 1, 1] and other(x).shape == (2, 5, 64, 64)


def test_what_cannot_be_segmented_says_so(tmp_path):
    unmasked = planted.data_set({}, np.zeros((N, 1)))
    with pytest.raises(BadInput, match="has no masks"):
        FaceSegmentation().evaluate(Maps([0]), unmasked, planted.run(tmp_path))
    data = masked_data()
    data.images, data.maps["mask"] = data.images[:, :15, :15], data.maps["mask"][:, :15, :15]
    with pytest.raises(BadInput, match="multiple of 16 pixels, not 15"):
        FaceSegmentation(model="unet_frozen").evaluate(Maps([0]), data, planted.run(tmp_path))
    with pytest.raises(Unavailable, match="no feature maps"):
        FaceSegmentation().evaluate(planted.Noise(), masked_data(), planted.run(tmp_path))


def test_training_target_holds_the_masks_of_train_and_val_alone():
    data = masked_data()
    target = FaceSegmentation().training_target(data)
    split = data.split("mask")
    assert target.kind == "dense" and target.classes == ("back", "skin", "hair")
    assert (target.images.train.rows == split["train"]).all() and (target.images.val.rows == split["val"]).all()
    assert (target.train == data.maps["mask"][split["train"]]).all()


@pytest.mark.parametrize(("height", "width", "size"), [(2, 2, 64), (16, 16, 64), (5, 7, 12), (64, 64, 64), (12, 12, 5)])
def test_maps_are_resized_bilinearly(height, width, size):
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resized(x, size), wanted, atol=1e-6, rtol=0)
