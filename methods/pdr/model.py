"""The physically disentangled model: an image is a canonical depth and albedo, a light and a view (paper, section 3.1).

Four networks read the factors off an image, a renderer puts the image together again, and the difference teaches them.
The object is taken to be symmetric: every image is also explained by its flipped depth and albedo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import Domain
from bench.render.camera import Camera, rotation
from bench.render.raster import Rasterizer
from bench.render.shading import light_direction, normals, shade
from bench.render.warp import canonical_grid, sample, warp_depth
from methods.pdr.dome import car_outline, dome, turned_on_the_ground
from methods.pdr.factors import Factors, LossWeights, Rendering
from methods.pdr.losses import Perceptual, photometric, smoothness, structure, variation
from methods.pdr.networks import ConfNet, EDDeconv, Encoder, UNetEDDeconv

BLOCKS = ("depth", "albedo", "light", "view")
MIN_DEPTH, MAX_DEPTH = 0.9, 1.1
MARGIN = (MAX_DEPTH - MIN_DEPTH) / 2  # beyond the canonical range, views clamp depth
ROTATION, SHIFT = math.radians(60), 0.1  # reach of the view: rotations, and translations in x and y; none in z


class Model(nn.Module):
    """The networks and the renderer. `size`: image height and width in pixels.

    `detail`: resolution of the depth network's map. `bump`: height of a fixed dome towards the camera that is added to
    the depth network's map, 0 as published. `template`: also learn the depth that all images share, as a map of the
    depth network's resolution; not published. Cars with a dome stand on the ground (`scaled_view`), under a light
    that does not turn with them (`light_on_object`). `least_diffuse`: 0 .. 1, none: as published. `blend` (a buffer)
    is how much of the learned depth, of asymmetric albedo and of translation counts.
    """

    blend: Tensor
    relief: Tensor
    outline: Tensor
    template: nn.Parameter | None

    def __init__(
        self,
        size: int,
        domain: Domain,
        nf: int = 64,
        nf_pose: int = 32,
        zdim: int = 256,
        confidence: bool = True,
        unet: bool = False,
        bounded: bool = True,
        detail: int | None = None,
        bump: float = 0.0,
        template: bool = False,
        least_diffuse: float | None = None,
        mesh_stride: int = 1,
        rasterizer: Rasterizer = "auto",
    ) -> None:
        super().__init__()
        self.camera, self.mesh_stride, self.rasterizer = Camera(size), mesh_stride, rasterizer
        encoder_decoder = UNetEDDeconv if unet else EDDeconv
        self.netD = encoder_decoder(size, 1, nf, zdim, detail=detail)
        self.netA = encoder_decoder(size, 3, nf, zdim, activation=nn.Tanh())
        self.netL = Encoder(size, 4, nf_pose, bounded)
        self.netV = Encoder(size, 6, nf_pose, bounded)
        self.netC = ConfNet(size, nf) if confidence else None
        self.border = 1.08 if domain == "car" else 0.7 * MAX_DEPTH + 0.3 * MIN_DEPTH
        self.upright = domain == "car" and bump > 0
        published = 0.5 if domain == "car" else 0.0
        self.least_diffuse = published if least_diffuse is None else least_diffuse
        self.register_buffer("blend", torch.tensor(1.0))
        self.register_buffer("relief", bump * dome(size, domain), persistent=False)
        outline = car_outline(size) if self.upright else torch.ones(size, size, dtype=torch.bool)
        self.register_buffer("outline", outline, persistent=False)
        resolution = detail or size
        self.template = nn.Parameter(torch.zeros(resolution, resolution)) if template else None

    # ------------------------------------------------------------------------------------------------ image to factors

    def decompose(self, x: Tensor) -> tuple[Factors, dict[str, Tensor]]:
        """Images (B, 3, H, W) in [0, 1] -> factors, and the bottleneck features of the four networks by name."""
        x = x * 2 - 1
        (depth, depth_code), (albedo, albedo_code) = self.netD(x), self.netA(x)
        (light, light_code), (view, view_code) = self.netL(x), self.netV(x)
        factors = Factors(
            self.canonical_depth(depth[:, 0].float()),
            self.canonical_albedo(albedo.float()),
            self.canonical_light(light.float()),
            self.scaled_view(view.float()),
        )
        codes = {"depth": depth_code, "albedo": albedo_code, "light": light_code, "view": view_code}
        return factors, {name: code.float() for name, code in codes.items()}

    def features(self, x: Tensor, only: Sequence[str] = BLOCKS) -> dict[str, Tensor]:
        """The bottleneck features of (B, 3, H, W) in [0, 1] by name; no decoder runs."""
        x = x * 2 - 1
        networks: dict[str, EDDeconv | Encoder] = {}
        networks.update(depth=self.netD, albedo=self.netA, light=self.netL, view=self.netV)
        return {name: networks[name].features(x).float() for name in only}

    def canonical_depth(self, raw: Tensor) -> Tensor:
        """(B, H, W) unbounded map -> depths MIN_DEPTH .. MAX_DEPTH about their mean."""
        if self.template is not None:
            size = (self.camera.size, self.camera.size)
            raw = raw + F.interpolate(self.template[None, None], size, mode="bicubic", align_corners=True)[0]
        learned = raw - raw.mean((1, 2), keepdim=True)
        return _scale((self.relief + self.blend * self.without_dome(learned)).tanh(), MIN_DEPTH, MAX_DEPTH)

    def added_to_dome(self, depth: Tensor) -> Tensor:
        """(B, H, W) canonical depths -> what the depth network added to the dome, before both were squashed."""
        reach = (MAX_DEPTH - MIN_DEPTH) / 2 * 1.001  # tanh may have rounded to 1
        return torch.atanh((depth - (MAX_DEPTH + MIN_DEPTH) / 2) / reach) - self.relief

    def squares_added_to_dome(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squares of what (B, H, W) depths add to the dome: of each one's own share, and of the batch's mean.

        What all objects share the dome knows best: the shading of a wrong mean shape is explained as well by albedo.
        """
        added = self.added_to_dome(depth)
        mean = added.mean(0)
        return (added - mean).square().mean(), mean.square().mean()

    def without_dome(self, learned: Tensor) -> Tensor:
        """(B, H, W) less its share of the dome, if there is one: the dome alone says how deep the object is.

        Images do not tell deep relief seen under small turns from shallow relief under large ones, nor, with the light
        free too, by shading (the bas-relief ambiguity; Belhumeur, Kriegman and Yuille 1999). Left open, depth grows and
        angles shrink for as long as views are uncertain.
        """
        dome = self.relief - self.relief.mean()
        share = (learned * dome).sum((1, 2), keepdim=True) / dome.square().sum().clamp(min=1e-12)
        return learned - share * dome

    def canonical_albedo(self, albedo: Tensor) -> Tensor:
        """(B, 3, H, W): symmetric as long as no learned shape counts, so that the view has to explain what is not."""
        return torch.lerp((albedo + albedo.flip(3)) / 2, albedo, self.blend)

    def canonical_light(self, numbers: Tensor) -> Tensor:
        """(B, 4) in -1 .. 1 -> (B, 5): ambient, diffuse, unit direction."""
        ambient, diffuse = _scale(numbers[:, :1], 0, 1), _scale(numbers[:, 1:2], self.least_diffuse, 1)
        return torch.cat((ambient, diffuse, light_direction(numbers[:, 2:])), 1)

    def scaled_view(self, numbers: Tensor) -> Tensor:
        """(B, 6) in -1 .. 1 -> radians and translations; none of these as long as no learned shape counts.

        Else views would first be learned as shifts of the image, which explain almost as much as turns do.
        """
        reach = numbers.new_tensor([ROTATION, ROTATION, ROTATION, SHIFT, SHIFT, 0])
        view = numbers * reach * self.known_of_views()
        return turned_on_the_ground(view) if self.upright else view

    def known_of_views(self) -> Tensor:
        """(6,): how much of each number of a view counts.

        Cars hardly roll, and lie in the middle: as far as free shifts reach, they undid what turns about a distant
        middle do to a car's front.
        """
        always = torch.ones_like(self.blend)
        late = 0.1 * self.blend if self.upright else self.blend
        return torch.stack((always, always, late if self.upright else always, late, late, late))

    # ------------------------------------------------------------------------------------------------ factors to image

    def on_object(self, grid: Tensor) -> Tensor:
        """(B, H, W) bool: which pixels show the object, by where they lie in the canonical image (B, H, W, 2)."""
        return sample(self.outline.to(grid).expand(len(grid), 1, -1, -1), grid.detach())[:, 0] > 0.5

    def lit(self, normal: Tensor, factors: Factors) -> tuple[Tensor, Tensor]:
        """Shading (B, H, W) of canonical normals (B, H, W, 3), and the canonical image (B, 3, H, W)."""
        shading = shade(normal, self.light_on_object(factors))
        if self.upright:  # the ground is not a surface of the mean car's, whose light it would settle
            shading = torch.where(self.outline, shading, shading.detach())
        return shading, (factors.albedo / 2 + 0.5) * shading[:, None] * 2 - 1

    def light_on_object(self, factors: Factors) -> Tensor:
        """(B, 5): the light in the canonical frame.

        That of cars is stated in the camera's frame: a lamp does not turn with the car, and falls, in the frame of a
        car turned by 60 degrees, from further aside than `canonical_light` can say.
        """
        if not self.upright:
            return factors.light
        return _turned(factors.light, rotation(factors.view[:, :3]).transpose(1, 2))

    def light_in_view(self, light: Tensor, view: Tensor) -> Tensor:
        """(B, 5): light as `Factors` have it, in the camera's frame."""
        return light if self.upright else _turned(light, rotation(view[:, :3]))

    def render(self, factors: Factors, known: Rendering | None = None) -> Rendering:
        """Shade the canonical object, then see it under the view. `known`: what was rendered of the same depth."""
        if known is None:
            depth = F.pad(factors.depth[:, :, 2:-2], (2, 2), value=self.border)
            normal = normals(depth, self.camera)
        else:
            depth, normal = known.depth, known.normals
        shading, canonical = self.lit(normal, factors)
        view_depth = warp_depth(depth, factors.view, self.camera, self.rasterizer, self.mesh_stride)
        view_depth = view_depth.clamp(MIN_DEPTH - MARGIN, MAX_DEPTH + MARGIN)
        valid = _is_seen(view_depth)
        grid = canonical_grid(view_depth, factors.view, self.camera)
        if self.upright and torch.is_grad_enabled():  # no view learns by what stands around: it does not turn
            grid = torch.where(self.on_object(grid)[..., None], grid, grid.detach())
        image = sample(canonical, grid) * valid[:, None]
        return Rendering(depth, normal, shading, canonical, view_depth, grid, valid, image)

    def relight(self, rendering: Rendering, factors: Factors) -> Rendering:
        """As `render`, for factors whose depth and view are those that `rendering` was made of."""
        shading, canonical = self.lit(rendering.normals, factors)
        valid = _is_seen(rendering.view_depth)
        image = sample(canonical, rendering.grid) * valid[:, None]
        return replace(rendering, shading=shading, canonical=canonical, valid=valid, image=image)

    def render_both(self, factors: Factors) -> Rendering:
        """The images (first half of 2B) and their mirrored explanations; a pixel is valid where both see the object.

        As long as no learned shape counts, depth and albedo are symmetric and both explanations the same: just B then.
        """
        if self.blend == 0:
            return self.render(factors)
        rendering = self.render(factors.with_mirrored())
        first, second = rendering.valid.chunk(2)
        valid = (first & second).repeat(2, 1, 1)
        return replace(rendering, valid=valid, image=rendering.image * valid[:, None])

    def losses(
        self,
        rendering: Rendering,
        factors: Factors,
        x: Tensor,
        sigmas: Sequence[Tensor],
        weights: LossWeights,
        perceptual: Perceptual | None,
    ) -> dict[str, Tensor]:
        """The terms of the loss and their weighed sum "loss", for `render_both` of images x (B, 3, H, W) in [0, 1].

        `sigmas`: the confidence network's two maps, or none. Without a `perceptual` network, image gradients are
        compared.
        """
        target = x * 2 - 1
        images, valids = rendering.image.split(len(x)), rendering.valid.split(len(x))
        terms: dict[str, Tensor] = {}
        for number, name in enumerate(("", "_flip")):
            if number == len(images) and not sigmas:  # the same explanation again
                terms.update({known + name: term for known, term in terms.items()})
                break
            image, mask = images[number % len(images)], valids[number % len(valids)][:, None].to(x)
            sigma, coarse = (maps[:, number : number + 1] for maps in sigmas) if sigmas else (None, None)
            terms["l1" + name] = photometric(image, target, mask, sigma)
            if weights.structure:
                compare = perceptual(image, target, mask, coarse) if perceptual else structure(image, target, mask)
                terms["structure" + name] = compare
        terms["smoothness"] = smoothness(factors.depth, MAX_DEPTH - MIN_DEPTH)
        plain = terms["l1"] + weights.structure * terms.get("structure", 0)
        mirrored = terms["l1_flip"] + weights.structure * terms.get("structure_flip", 0)
        terms["loss"] = plain + weights.flip * mirrored + weights.smoothness * terms["smoothness"]
        if weights.near_dome or weights.near_dome_mean:
            terms["near_dome"], terms["near_dome_mean"] = self.squares_added_to_dome(factors.depth)
            terms["loss"] = terms["loss"] + weights.near_dome * terms["near_dome"]
            terms["loss"] = terms["loss"] + weights.near_dome_mean * terms["near_dome_mean"]
        if weights.flat_albedo:
            terms["flat_albedo"] = variation(factors.albedo)
            terms["loss"] = terms["loss"] + weights.flat_albedo * terms["flat_albedo"]
        return terms


def _turned(light: Tensor, turn: Tensor) -> Tensor:
    """(B, 5) light, its direction times `turn` (B, 3, 3)."""
    return torch.cat((light[:, :2], torch.einsum("bij,bj->bi", turn, light[:, 2:])), 1)


def _is_seen(view_depth: Tensor) -> Tensor:
    """Which pixels see the object, by their clamped depths."""
    return view_depth < MAX_DEPTH + MARGIN


def _scale(unit: Tensor, low: float, high: float) -> Tensor:
    """-1 .. 1 -> low .. high."""
    return (unit + 1) / 2 * (high - low) + low
