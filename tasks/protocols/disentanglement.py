"""Is each feature about one factor, and each factor in one feature? DCI and MIG.

Sources: Eastwood & Williams 2018, A framework for the quantitative evaluation of disentangled representations (DCI);
Chen et al. 2018, Isolating sources of disentanglement in VAEs (MIG; continuous values in 20 bins, as Locatello et al.
2019 do).
"""

from __future__ import annotations

import warnings

import numpy as np

from tasks.protocols.examples import standardise

BINS = 20
PATH = np.geomspace(1, 0.01, 5)  # lasso penalties tried, as shares of the one at which all weights are zero
LASSO_EXAMPLES = 1000


def lasso_weights(x: np.ndarray, y: np.ndarray, x_val: np.ndarray, y_val: np.ndarray) -> np.ndarray:
    """(D, F) weights of an L1-penalised linear regression of each factor, on standardised features and factors.

    Each factor takes the penalty with the lowest squared error on the validation part. At most `LASSO_EXAMPLES`
    training examples are used.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path

    x, y = x[:LASSO_EXAMPLES], y[:LASSO_EXAMPLES]
    x, x_val = (part.astype(np.float64) for part in standardise(x, x_val))
    y, y_val = (part.astype(np.float64) for part in standardise(y, y_val))
    gram = x.T @ x
    weights = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the ends of the paths are not chosen
        for factor, factor_val in zip(y.T, y_val.T, strict=True):
            xy = x.T @ factor
            alphas = PATH * np.abs(xy).max() / len(x)
            _, path, _ = lasso_path(x, factor, alphas=alphas, precompute=gram, Xy=xy, max_iter=200, tol=1e-3)
            weights.append(path[:, ((x_val @ path - factor_val[:, None]) ** 2).mean(0).argmin()])
    return np.stack(weights, axis=1)


def informativeness(weights: np.ndarray, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """R^2 of the `lasso_weights` (D, F) of (x, y) on the test part, out of sample, mean over factors; never below 0.

    DCI's third number, as a share explained in place of an error, so that more is better as with the other two.
    """
    x_test, y_test = (
        standardise(part[:LASSO_EXAMPLES], test)[1].astype(np.float64) for part, test in ((x, x_test), (y, y_test))
    )
    errors = ((x_test @ weights - y_test) ** 2).mean(0) / (y_test**2).mean(0)
    return float(np.maximum(1 - errors, 0).mean())


def dci(importance: np.ndarray) -> tuple[float, float]:
    """(disentanglement, completeness) in [0, 1] of an importance matrix (D features, F factors), entries >= 0.

    Disentanglement: 1 - the entropy (base F) of each feature's importances over the factors, averaged over the features
    by their importance; completeness: the same of each factor's importances over the features (base D).
    """
    total = importance.sum()
    if total == 0:
        return 0.0, 0.0
    by_feature = _concentration(importance) @ importance.sum(1) / total
    by_factor = _concentration(importance.T) @ importance.sum(0) / total
    return float(by_feature), float(by_factor)


def _concentration(importance: np.ndarray) -> np.ndarray:
    """(n,) 1 - the entropy of each row as a distribution, in units of its largest possible value."""
    p = importance / np.maximum(importance.sum(1, keepdims=True), 1e-12)
    entropy = -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(1)
    return 1 - entropy / np.log(max(p.shape[1], 2))


def mig(features: np.ndarray, factors: np.ndarray) -> float:
    """Mutual information gap in [0, 1]: how much more the best feature (n, D) knows of a factor (n, F) than the next.

    The gap between the two largest mutual informations, as a share of the factor's entropy, averaged over the factors.
    """
    codes, values = binned(features), binned(factors)
    information = mutual_information(codes, values)
    ranked = np.sort(np.vstack([np.zeros_like(information[:1]), information]), axis=0)
    p = np.stack([np.bincount(value, minlength=BINS) for value in values.T]) / len(values)
    entropy = -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(1)
    return float(((ranked[-1] - ranked[-2]) / entropy).mean())


def mutual_information(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(D, F), in nats, of bin numbers (n, D) with bin numbers (n, F)."""
    n, factors = values.shape
    cell = values + BINS * BINS * np.arange(factors)  # of a table (factor, code, value)
    return np.stack([_information(cell + BINS * code[:, None], n, factors) for code in codes.T])


def _information(cells: np.ndarray, n: int, factors: int) -> np.ndarray:
    """(F,) of one feature: `cells` (n, F) are the places of all examples in the table (factor, code, value)."""
    joint = np.bincount(cells.ravel(), minlength=factors * BINS * BINS).reshape(factors, BINS, BINS) / n
    independent = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    return (joint * np.log(ratio)).sum((1, 2))


def binned(values: np.ndarray) -> np.ndarray:
    """(n, D) -> bin numbers 0 ... BINS - 1, in bins of equal width from each column's smallest to its largest value."""
    low, high = values.min(0), values.max(0)
    position = (values - low) / np.where(high > low, high - low, 1)
    return np.minimum((position * BINS).astype(np.int64), BINS - 1)
