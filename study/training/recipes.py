"""The two recipes, as the settings in which they differ: the paper's text, and the released code behind its numbers.

Both share the geometry (A1) and normalise within a column. What a study or a run says stands over its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Recipe = Literal["paper", "code145"]

# Released files layers-145.cfg, layer-params-145-2010.cfg with the author's notes, layer.py, convdata.py.
CODE145 = {
    "network": {
        "response": {"alpha": 2e-5},  # A4: 1e-4 is divided by the five maps of the window
        "deviation_conv345": 0.03,  # A2
        "activation_1": "after_pooling",  # A14: conv1, normalisation, pooling, and only then the ReLU
        "spatial_normalisation": True,  # A14: a second one in layer 2, over 5x5 positions of the same map
    },
    "learning": {
        "epochs": 93,
        "rate": {"initial": 0.01, "rule": "epochs", "at": [23, 51, 78]},
        "bias_rate": 2.0,  # A10: epsB is 0.02
        "bias_divisions": [3],  # A15: lowered once; run 149 was caught between the second and the third, still at 0.02
        "bias_decay": False,  # A10
        "conv1_slowed": 68,  # A15
        "conv1_frozen": 72,
    },
    "augmentation": {
        "colour": "deviations",  # A5
        "colour_divisor": 1.1,  # A16
        "colour_until": 67,  # A16: switched off for the last quarter
        "alike": 32,  # A16: pictures with the same crop and flip
        "mean": "centre",  # A11
    },
}

RECIPES: Mapping[Recipe, Mapping[str, Any]] = {"paper": {}, "code145": CODE145}  # the classes' defaults are the text's
