"""Retrieve in Style (Chong et al. 2021, arXiv 2107.06256): which style channels paint which part of the image.

k-means over the squared activations of a StyleGAN2 generator splits its images into regions, regions are gathered into
parts, and every style channel belongs to the part where its activation is strongest. The features of an image are these
memberships, computed on its inversion. The published catalogue of clusters was named by hand for one generator; here
the catalogue is built for the generator at hand, and clusters are gathered into unnamed parts by Ward's method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import Domain, Pretraining
from bench.run import Run
from methods.stylegan2.generator import Generator, ToRGB
from methods.stylegan_inversion import InversionEncoder, StyleGANInversion

CLUSTERED = 32  # resolution of the activations that are clustered
POSE_LAYERS = 4  # layers whose channels carry pose: 2,048 channels as published
CATALOGUE_IMAGES, CATALOGUE_PIXELS, ITERATIONS = 64, 256, 30


def clustered_activations(generator: Generator, taps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """(B, C, h, w): the squared result of the last convolution at 32 x 32, before noise and activation."""
    resolution = min(CLUSTERED, generator.size)
    return next(before for before, _ in reversed(taps) if before.shape[-1] == resolution).square()


def nearest(activations: Tensor, centres: Tensor) -> Tensor:
    """(B, C, h, w) and (K, C) -> (B, h, w): the nearest centre of every pixel."""
    return (centres.square().sum(dim=1) - 2 * activations.movedim(1, -1) @ centres.T).argmin(dim=-1)


def soft_membership(taps: list[tuple[Tensor, Tensor]], masks: Tensor, temperature: float) -> Tensor:
    """What each layer reads, and part masks (B, P, h, w) -> (B, P, all channels): softmax over parts."""
    strengths = []
    for _, activation in taps:
        size = activation.shape[-2:]
        power = F.instance_norm(activation).square()
        weights = F.interpolate(masks, size=size, mode="bilinear")
        strengths.append(torch.einsum("bchw,bphw->bpc", power, weights) / (size[0] * size[1]))
    return (torch.cat(strengths, dim=2) / temperature).softmax(dim=1)


def spherical_kmeans(vectors: Tensor, clusters: int, rng: torch.Generator) -> Tensor:
    """(N, C) -> (clusters, C) unit vectors, by Lloyd's iteration on directions; an empty cluster keeps its centre."""
    directions = F.normalize(vectors, dim=1)
    centres = directions[torch.randperm(len(directions), generator=rng)[:clusters].to(vectors.device)]
    for _ in range(ITERATIONS):
        chosen = F.one_hot((directions @ centres.T).argmax(dim=1), clusters).float()
        sums = chosen.T @ directions
        centres = torch.where(chosen.sum(dim=0)[:, None] > 0, F.normalize(sums, dim=1), centres)
    return centres


class StyleMembership(InversionEncoder):
    """Inversion, and a catalogue of clusters and parts of the generator's images."""

    centres: Tensor
    part_of: Tensor

    def __init__(self, generator: Generator, encoder: Any, method: RetrieveInStyle) -> None:
        super().__init__(generator, encoder, "style", method.steps)
        self.parts, self.temperature, self.threshold = method.parts, method.temperature, method.threshold
        self.hair_part = method.hair_part
        to_rgbs = [layer for layer in generator.layers() if isinstance(layer, ToRGB)]
        channels = to_rgbs[min(CLUSTERED, generator.size).bit_length() - 3].conv.weight.shape[2]
        self.register_buffer("centres", torch.zeros(method.clusters, channels))
        self.register_buffer("part_of", torch.zeros(method.clusters, dtype=torch.int64))

    def membership(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """W+ (B, latents, D) -> soft memberships (B, parts, all channels) and part numbers (B, h, w) of the pixels."""
        taps: list[tuple[Tensor, Tensor]] = []
        self.generator.synthesise(self.generator.styles(codes), taps=taps)
        regions = self.part_of[nearest(clustered_activations(self.generator, taps), self.centres)]
        masks = F.one_hot(regions, self.parts).movedim(-1, 1).float()
        return soft_membership(taps, masks, self.temperature), regions

    def binary(self, soft: Tensor) -> Tensor:
        """Soft -> 0/1 memberships, without to-RGB channels, and with early (pose) channels for hair alone."""
        hard = (soft > self.threshold).to(soft.dtype)
        widths = [layer.conv.weight.shape[2] for layer in self.generator.layers()]
        per_layer = hard.split(widths, dim=2)
        kept = []
        for i, (layer, block) in enumerate(zip(self.generator.layers(), per_layer, strict=True)):
            keep = torch.full((1, self.parts, 1), float(not isinstance(layer, ToRGB)), device=soft.device)
            if self.hair_part is not None and i < POSE_LAYERS:
                keep *= F.one_hot(torch.tensor(self.hair_part), self.parts).to(keep).view(1, -1, 1)
            kept.append(block * keep)
        return torch.cat(kept, dim=2)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "membership" (B, parts * all style channels), 0 or 1."""
        codes = self.wplus(x)
        few = max(2**22 // self.generator.size**2, 1)  # images whose activations fit into memory together
        return {"membership": torch.cat([self.binary(self.membership(c)[0]).flatten(1) for c in codes.split(few)])}

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """Those of the inversion, and the parts in colours."""
        _, regions = self.membership(self.wplus(x))
        hues = torch.arange(self.parts, device=x.device) / self.parts * 2 * torch.pi
        palette = torch.stack([(hues + shift).cos() / 2 + 0.5 for shift in (0.0, 2.1, 4.2)], dim=1)
        parts = palette[regions].movedim(-1, 1)
        return super().pictures(x) | {"parts": F.interpolate(parts, size=x.shape[-2:], mode="nearest")}


@dataclass(frozen=True)
class RetrieveInStyle(StyleGANInversion):
    """Retrieve in Style: memberships of style channels in image parts."""

    family: ClassVar[str] = "semantic"

    clusters: int = 18
    parts: int = 8
    temperature: float = 0.1
    threshold: float = 0.8
    hair_part: int | None = None  # where a look at the parts tells which is hair: early channels are kept for it alone

    def build(self, image_size: int, domain: Domain) -> StyleMembership:
        """Untrained generator and encoder, empty catalogue."""
        inversion = super().build(image_size, domain)
        return StyleMembership(inversion.generator, inversion.encoder, self)

    def fit(self, encoder: StyleMembership, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """The inversion first, then the catalogue."""
        super().fit(encoder, data, run)
        self.build_catalogue(encoder, run)

    def build_catalogue(self, encoder: StyleMembership, run: Run) -> None:
        """Cluster the activations of random images, and gather the clusters into parts, numbered by their size."""
        from scipy.cluster.hierarchy import fcluster, linkage

        rng = torch.Generator().manual_seed(run.seed)
        generator, samples = encoder.generator, []
        with torch.no_grad():
            for _ in range(CATALOGUE_IMAGES):
                z = torch.randn(1, generator.style_dim, generator=rng).to(run.device)
                taps: list[tuple[Tensor, Tensor]] = []
                generator.synthesise(generator.styles(generator.style(z)), taps=taps)
                pixels = clustered_activations(generator, taps).flatten(2)[0].T  # (h * w, C)
                chosen = torch.randperm(len(pixels), generator=rng)[:CATALOGUE_PIXELS].to(run.device)
                samples.append(pixels[chosen])
            vectors = torch.cat(samples)
            encoder.centres.copy_(spherical_kmeans(vectors, self.clusters, rng))
            counts = torch.bincount(
                nearest(vectors.T[None, :, None], encoder.centres).flatten(), minlength=self.clusters
            )
        tree = linkage(encoder.centres.cpu().numpy(), "ward")
        part = torch.from_numpy(fcluster(tree, self.parts, "maxclust").astype("int64")) - 1
        sizes = torch.zeros(self.parts, dtype=torch.int64).index_add(0, part, counts.cpu())
        rank = sizes.argsort(descending=True, stable=True).argsort()
        encoder.part_of.copy_(rank[part])
        run.facts["part_shares"] = [round(s, 3) for s in (sizes.sort(descending=True).values / sizes.sum()).tolist()]
