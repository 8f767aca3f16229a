"""Any network of the timm library as an encoder: untrained here, pretrained from a local file, or trained by others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import BadInput, Domain, Encoder, Method, Pretraining, Unavailable
from bench.run import Run
from methods.checkpoints import load_matching, read_checkpoint


class TimmEncoder(Encoder):
    """A timm network without its classifier, on images normalised as that network expects them."""

    net: Any  # a timm module: more than nn.Module promises
    mean: Tensor
    std: Tensor

    def __init__(self, model: str, image_size: int, width: int | None = None) -> None:
        """`image_size`: what images are resized to before they enter the network. `width`: channels of a ResNet's first
        stage, doubled from stage to stage, where they are not to be timm's.
        """
        import timm

        super().__init__()
        if not timm.is_model(model):
            near = difflib.get_close_matches(model, timm.list_models(), n=3)
            raise BadInput(f"timm has no model {model!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
        options: dict[str, Any] = {} if width is None else {"channels": tuple(width << stage for stage in range(4))}
        try:
            self.net = timm.create_model(model, num_classes=0, img_size=image_size, **options)
        except TypeError:  # convolutional networks take any size and no such argument
            try:
                self.net = timm.create_model(model, num_classes=0, **options)
            except TypeError as error:
                raise BadInput(f"the widths of timm's {model!r} cannot be set: leave `width` out") from error
        self.image_size = image_size
        config = self.net.pretrained_cfg
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1))

    def normalised(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> what the network takes; channels last in memory, as convolutions are faster so."""
        if x.shape[-1] != self.image_size:
            x = F.interpolate(x, size=(self.image_size, self.image_size), mode="bicubic", antialias=True).clamp(0, 1)
        return ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "features" (B, D): the pooled output of the network."""
        return {"features": self.net(self.normalised(x))}

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The map after each stage."""
        return self.net.forward_intermediates(self.normalised(x), intermediates_only=True, output_fmt="NCHW")


@dataclass(frozen=True)
class Timm(Method):
    """A pretrained timm network, from a local file of weights."""

    requires: ClassVar[tuple[str, ...]] = ("timm",)

    model: str = "resnet50"
    weights: str | None = None  # a .safetensors, .bin or .pth file
    size: int | None = None  # images are resized to this; None: the size the network was trained at

    def build(self, image_size: int, domain: Domain) -> TimmEncoder:
        """Nothing is read yet: `fit` loads the weights."""
        import timm

        config = timm.get_pretrained_cfg(self.model, allow_unregistered=True)
        return TimmEncoder(self.model, self.size or (config.input_size[-1] if config else image_size))

    def fit(self, encoder: TimmEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Load the weights. Raises `Unavailable` where none are given: nothing is downloaded."""
        import timm

        if self.weights is None:
            tags = timm.list_pretrained(f"{self.model}.*")
            page = f"https://huggingface.co/timm/{tags[0]}" if tags else "where the model was published"
            raise Unavailable(
                f"timm: no weights for {self.model}; get model.safetensors from {page} and set timm.weights"
            )
        content = read_checkpoint(self.weights)
        state = content.get("state_dict", content.get("model", content))
        classifier = timm.get_pretrained_cfg_value(self.model, "classifier") or ()
        heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        state = {name: value for name, value in state.items() if not name.startswith(tuple(f"{h}." for h in heads))}
        load_matching(encoder.net, state, self.weights)
        run.facts.update(images_seen=0, optimiser_steps=0)
