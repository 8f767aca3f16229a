"""The physically disentangled representation (Klinghoffer et al. 2022, arXiv 2204.05281, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import Domain, Images, Method, Pretraining
from bench.run import Run
from methods.common import forward_pass, rate_at
from methods.pdr.cycle import changed_images, cycle_loss
from methods.pdr.encoder import PDREncoder, load_published, parse_blocks
from methods.pdr.factors import Factors, LossWeights
from methods.pdr.loocc import changed_image, draw_change, loocc_loss
from methods.pdr.losses import Perceptual
from methods.pdr.model import BLOCKS, Model
from methods.pdr.networks import initialise_he
from methods.pdr.symmetry import symmetry_loss
from methods.pdr.training import EarlyStopping, Stopwatch, learned_share

TIMED = 20  # every so many steps are timed and logged
MOST_VALIDATION_IMAGES = 512


@dataclass(frozen=True)
class PDR(Method):
    """Physically disentangled: depth, albedo, light, view.

    Not all of it is learned without labels: depth is added to the mean head or the mean car of the embedded training
    data, which was fitted to their true depth (`methods/pdr/dome.py`). `bump=0` is without.
    """

    family: ClassVar[str] = "physical"

    blocks: str = "depth+albedo"  # what ordinary tasks get: names joined by +, or all
    loocc: Literal["off", "light", "view", "both", "simclr"] = "both"
    loocc_weight: float = 0.1  # times how much of the learned depth counts; published: 0.01 (results/reference/lab.md)
    loocc_strength: float = 1.0  # of the change, 1 as published
    loocc_temperature: float = 0.5
    loocc_normalise: bool = True
    nf: int = 16  # width of the depth, albedo and confidence networks; published: 64
    nf_pose: int = 16  # width of the light and view networks; published: 32
    zdim: int = 256
    unet: bool = False  # the segmentation U-Net's encoder for depth and albedo
    bounded: bool = True  # tanh on light and view (unsup3d) rather than on their features (authors)
    detail: int | None = 16  # resolution of the depth network's map; none: the image's, as published
    init: Literal["he", "published"] = "he"  # of the albedo network
    depth_init: float = 0.1  # scale of the depth network's last layer at the start; published: 1
    bump: float = 1.0  # height of the fixed dome, a mean head or car, the depth starts from; published: 0
    template: float = 5.0  # how many times faster the depth that all images share is learned; published: 0, none
    hold: float = 0.3  # share of the training with the dome alone
    blend: float = 0.5  # share of the training after which the learned depth counts in full
    # weights of depth that keeps near the dome: an image's own share, and what a batch's have in common; published: 0
    near_dome: float | None = None  # none: for faces 0.3, cars 10, where there is a dome
    near_dome_mean: float | None = None  # none: for faces 5, cars 20, where there is a dome
    least_diffuse: float | None = 0.5  # light that has a direction; none, published: cars 0.5, faces 0
    symmetry: float | None = None  # weight of likeness of both halves; none: for faces 1, cars 0; published: 0
    cycle: float = 2.0  # weight of reading changed view and light back off re-renderings; published: 0
    confidence: bool | None = None  # none: for faces, not for cars
    perceptual: Literal["gradient", "vgg16", "none"] = "gradient"  # vgg16: as published
    vgg: str | None = None  # torchvision's vgg16-397923af.pth
    perceptual_weight: float | None = None  # none: 1, and for cars with vgg16 0.01
    flip: float | None = None  # weight of the mirrored explanation; none: 0.5, cars 1
    smoothness: float | None = None  # weight of smooth depth; none: 0, cars 0.1
    flat_albedo: float = 0.02  # weight of few changes in albedo; published: 0
    mirror: bool = True  # mirror half of the training images; published: no
    precision: Literal["float32", "auto"] = "auto"  # auto: the networks train in bfloat16 where hardware has it
    weights: str | None = None  # a checkpoint released by unsup3d or the authors: nothing is trained, no dome
    steps: int = 1600
    batch: int = 16  # published: 64 faces, 256 cars
    lr: float = 0.001  # published: 0.0001; at 0.002 light and view run into their bounds and stay there
    decay: Literal["constant", "cosine"] = "cosine"  # of the learning rate; published: constant
    weight_decay: float = 0.0  # published: 0.0005, which emptied the depth network (results/reference/lab.md)
    validate_every: int | None = 100  # steps; none: once an epoch, as published
    patience: int = 20  # validations without a better loss before training stops
    mesh_stride: int = 2  # pixels between the vertices of the warped mesh; published: 1
    rasterizer: Literal["auto", "candidates", "pytorch3d"] = "auto"

    def build(self, image_size: int, domain: Domain) -> PDREncoder:
        """`image_size`: a power of two, at least 16."""
        trained_here = self.weights is None
        model = Model(
            image_size,
            domain,
            nf=self.nf,
            nf_pose=self.nf_pose,
            zdim=self.zdim,
            confidence=domain == "face" if self.confidence is None else self.confidence,
            unet=self.unet,
            bounded=self.bounded,
            detail=self.detail if trained_here else None,
            bump=self.bump if trained_here else 0.0,
            template=trained_here and self.template > 0,
            least_diffuse=self.least_diffuse if trained_here else None,
            mesh_stride=self.mesh_stride,
            rasterizer=self.rasterizer,
        )
        if self.init == "he":
            initialise_he(model.netA)
        with torch.no_grad():
            model.netD.network_up[-1].get_parameter("weight").mul_(self.depth_init)
        return PDREncoder(model, parse_blocks(self.blocks))

    def fit(self, encoder: PDREncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Explain every image and its mirrored explanation by depth, albedo, light and view; LOOCC on top.

        The dome is held fixed at first: a convex shape settles the sides from which light and camera come, which a free
        shape could explain just as well the other way round (the hollow-face ambiguity).
        """
        model = encoder.model
        if self.weights is not None:
            load_published(model, self.weights)
            run.facts["weights"] = self.weights
            return
        loss_weights = self.loss_weights(data.domain)
        perceptual = Perceptual.from_file(self.vgg).to(run.device) if self.perceptual == "vgg16" else None
        optimiser = self.optimiser(model)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, [self.rate(group) for group in optimiser.param_groups])
        best, watch = EarlyStopping(), Stopwatch(run.device)
        every = self.validate_every or max(len(data.train) // self.batch, 1)
        model.train()
        for step in run.steps(self.steps, model=model, optimiser=optimiser, schedule=schedule, best=best):
            watch.start(step % TIMED == 0)
            model.blend.fill_(learned_share(step, self.steps, self.hold, self.blend))
            x = run.batch(data.train, self.batch, step)
            if self.mirror:
                x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
            watch.lap("rest")
            terms = self.gradients(model, x, loss_weights, perceptual, optimiser, watch)
            optimiser.step()
            schedule.step()
            watch.lap("rest")
            if step % TIMED == 0 or not torch.isfinite(terms["loss"]):
                for name, value in terms.items():
                    run.log(name, step, value.item())
            if (step + 1) % every == 0 or step + 1 == self.steps:
                loss = self.validate(model, data.val, loss_weights, perceptual, run.device)
                run.log("val_loss", step, loss)
                if model.blend == 1:
                    best.update(loss, model)
            if best.stale >= self.patience:
                break
        if best.weights:
            model.load_state_dict(best.weights)
        model.eval()
        run.facts.update(optimiser_steps=step + 1, images_seen=(step + 1) * min(self.batch, len(data.train)))
        run.facts.update(val_loss=best.lowest, time_share=watch.shares(), perceptual=self.perceptual)

    def gradients(
        self,
        model: Model,
        x: Tensor,
        weights: LossWeights,
        perceptual: Perceptual | None,
        optimiser: torch.optim.Optimizer,
        watch: Stopwatch,
    ) -> dict[str, Tensor]:
        """Forward and backward for one batch. The networks' backward starts from the gradients of their outputs."""
        optimiser.zero_grad(set_to_none=True)
        with forward_pass(self.precision, x.device):
            factors, features = model.decompose(x)
            sigmas = [maps.float() for maps in model.netC(x * 2 - 1)] if model.netC else []
        watch.lap("network")

        outputs = [*factors.tensors(), *sigmas]
        leaves = [output.detach().requires_grad_() for output in outputs]
        # Of the dome alone depth learns nothing: Adam would make full steps of mere weight decay and empty its network.
        leaves[0].requires_grad_(bool(model.blend > 0))
        rendering = model.render_both(Factors(*leaves[:4]))
        terms = model.losses(rendering, Factors(*leaves[:4]), x, leaves[4:], weights, perceptual)
        if weights.symmetry:
            terms["symmetry"] = symmetry_loss(model, x, Factors(*leaves[:4]), rendering.first(len(x)))
            terms["loss"] = terms["loss"] + weights.symmetry * terms["symmetry"]
        terms["loss"].backward()
        seen = rendering.first(len(x)).detach()
        known = [(output, leaf.grad) for output, leaf in zip(outputs, leaves, strict=True) if leaf.grad is not None]
        roots, gradients = [output for output, _ in known], [gradient for _, gradient in known]
        watch.lap("rendering")

        if self.loocc != "off" and model.blend > 0:  # a dome alone, seen again, would teach the depth network silence
            change = draw_change(self.loocc)
            image = changed_image(model, x, factors, seen, change, self.loocc_strength)
            watch.lap("rendering")
            with forward_pass(self.precision, x.device):
                again = model.features(image, [name for name in BLOCKS if name != change])
            terms["loocc"] = loocc_loss(features, again, self.loocc_temperature, self.loocc_normalise)
            roots.append(self.loocc_weight * model.blend.item() * terms["loocc"])
            watch.lap("network")
        if self.cycle:
            changed = changed_images(model, x, factors.detach(), seen)
            watch.lap("rendering")
            with forward_pass(self.precision, x.device):
                terms["cycle"] = cycle_loss(model, *changed)
            roots.append(self.cycle * terms["cycle"])
        second_looks = roots[len(gradients) :]
        gradients += [torch.ones_like(loss) for loss in second_looks]
        terms["loss"] = terms["loss"] + sum(second_looks)
        torch.autograd.backward(roots, gradients)
        watch.lap("network")
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def validate(
        self, model: Model, images: Images, weights: LossWeights, perceptual: Perceptual | None, device: torch.device
    ) -> float:
        """The mean loss without LOOCC over the first validation images."""
        model.eval()
        total, count = 0.0, min(len(images), MOST_VALIDATION_IMAGES)
        for start in range(0, count, self.batch):
            x = images[start : min(start + self.batch, count)].to(device)
            factors, _ = model.decompose(x)
            sigmas = list(model.netC(x * 2 - 1)) if model.netC else []
            terms = model.losses(model.render_both(factors), factors, x, sigmas, weights, perceptual)
            total += terms["loss"].item() * len(x)
        model.train()
        return total / max(count, 1)

    def loss_weights(self, domain: Domain) -> LossWeights:
        """The settings, with the published ones of the domain where there are none."""
        car = domain == "car"
        structure = self.perceptual_weight
        if structure is None:
            structure = 0.01 if car and self.perceptual == "vgg16" else 1.0
        own, shared = ((10.0, 20.0) if car else (0.3, 5.0)) if self.bump else (0.0, 0.0)
        return LossWeights(
            structure=0.0 if self.perceptual == "none" else structure,
            flip=self.flip if self.flip is not None else (1.0 if car else 0.5),
            smoothness=self.smoothness if self.smoothness is not None else (0.1 if car else 0.0),
            flat_albedo=self.flat_albedo,
            near_dome=own if self.near_dome is None else self.near_dome,
            near_dome_mean=shared if self.near_dome_mean is None else self.near_dome_mean,
            symmetry=self.symmetry if self.symmetry is not None else (0.0 if car else 1.0),
        )

    def optimiser(self, model: Model) -> torch.optim.Adam:
        """Adam; the template, which every image pulls at, takes longer steps and is not pulled back to the dome.

        The views of cars are learned while the dome is held, and kept then: learned on, they spread up to their bounds,
        presumably as the further a car is over-turned, the less of its side is left in the re-renderings that views are
        read from (results/reference/lab.md).
        """
        apart = ("template", *(["netV"] if model.upright else []))
        networks = [tensor for name, tensor in model.named_parameters() if name.split(".")[0] not in apart]
        groups: list[dict[str, Any]] = [{"params": networks, "end": self.steps}]
        if model.template is not None:
            template = {"params": [model.template], "lr": self.template * self.lr, "weight_decay": 0.0}
            groups.append({**template, "end": self.steps})
        if model.upright:
            groups.append({"params": list(model.netV.parameters()), "end": round(self.hold * self.steps) or self.steps})
        # fused: 5 for 17 ms on a CPU, of steps of 300
        return torch.optim.Adam(groups, lr=self.lr, weight_decay=self.weight_decay, fused=True)

    def rate(self, group: dict[str, Any]) -> Callable[[int], float]:
        """Factor of the learning rate of some parameters by step: as `decay` says until their "end", 0 from then on."""
        return lambda step: rate_at(self.decay, step, group["end"]) if step < group["end"] else 0.0
