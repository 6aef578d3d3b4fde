"""How alike two representations of the same samples are: what fine-tuning left of a stage."""

from __future__ import annotations

import numpy as np


def debiased_cka(one: np.ndarray, other: np.ndarray) -> float | None:
    """Linear centred kernel alignment of two arrays (sample, channel) of the same samples; 1 for equal ones, about 0
    for unrelated ones, None where one of them is constant.

    Kornblith et al. 2019, "Similarity of neural network representations revisited", with the unbiased estimator of
    HSIC (Song et al. 2012, equation 5), as in Nguyen et al. 2021: the plain one is near 1 for any two arrays with more
    channels than samples. Raises ValueError for fewer than four samples, for which that does not exist.
    """
    if len(one) != len(other) or len(one) < 4:
        raise ValueError(f"expected the same samples, four or more; received {len(one)} and {len(other)}")
    kernels = [_kernel(np.asarray(each, np.float64)) for each in (one, other)]
    own = [_hsic(each, each) for each in kernels]
    if min(own) <= 0:
        return None
    return float(_hsic(kernels[0], kernels[1]) / np.sqrt(own[0] * own[1]))


def _kernel(array: np.ndarray) -> np.ndarray:
    """Inner products (sample, sample) of centred channels of unit scale, the diagonal left out."""
    centred = array - array.mean(axis=0)
    scale = np.sqrt((centred**2).mean())
    kernel: np.ndarray = (centred @ centred.T) / (scale**2 if scale > 0 else 1.0)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _hsic(one: np.ndarray, other: np.ndarray) -> float:
    n = len(one)
    sums = one.sum(axis=0), other.sum(axis=0)
    return float(
        (np.sum(one * other) + sums[0].sum() * sums[1].sum() / ((n - 1) * (n - 2)) - 2 * (sums[0] @ sums[1]) / (n - 2))
        / (n * (n - 3))
    )
