"""What to run: the spec, its files and the presets.

`load_spec` reads a preset, a file or a run folder; `to_toml` writes a resolved spec.
"""

from seqlab.spec.files import apply_overrides, load_spec, read_spec, to_toml, validate
from seqlab.spec.presets import presets
from seqlab.spec.problems import Problem, SpecError
from seqlab.spec.schema import SCHEMA_VERSION, Claim, RungLimit, Spec, Training

__all__ = [
    "SCHEMA_VERSION",
    "Claim",
    "Problem",
    "RungLimit",
    "Spec",
    "SpecError",
    "Training",
    "apply_overrides",
    "load_spec",
    "presets",
    "read_spec",
    "to_toml",
    "validate",
]
