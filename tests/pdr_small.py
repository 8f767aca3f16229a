"""PDR small enough for tests."""

from methods.pdr.method import PDR

SIZE = 32
SMALL = {"nf": 4, "nf_pose": 4, "zdim": 8, "batch": 8, "validate_every": 2}


def small(**settings) -> PDR:
    """PDR of four channels that is trained for four steps, unless `settings` say otherwise."""
    return PDR(**{**SMALL, "steps": 4, "detail": 8, **settings})
