"""The principal axes that penalised linear models are solved in."""

import torch

from tasks.protocols import axes


def test_features_are_uncorrelated_on_their_axes_and_the_latest_axes_are_kept(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    known = []
    whole = axes._decompose
    monkeypatch.setattr(axes, "_decompose", lambda x: known.append(x.shape) or whole(x))
    monkeypatch.setattr(axes, "KEPT", 2)
    monkeypatch.setattr(axes, "_latest", {})
    for shape in ((40, 6), (6, 40), (6, 40), (40, 6), (30, 5), (6, 40), (40, 6)):  # (6, 40) was forgotten in between
        x = torch.randn(shape, generator=generator.manual_seed(shape[0]))
        x -= x.mean(0)
        variances, turn = axes.principal_axes(x)
        turned = x @ turn
        torch.testing.assert_close(turned.T @ turned / len(x), variances.diag(), atol=1e-4, rtol=0)
        torch.testing.assert_close(turned @ turn.T, x, atol=1e-4, rtol=0)
    assert known == [(40, 6), (6, 40), (30, 5), (6, 40), (40, 6)]
