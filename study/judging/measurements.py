"""The ways to measure a claim, by the name that protocol.yaml gives them.

Each takes results and gives an estimate of the claimed effect, counted as the paper claims it.
"""

from __future__ import annotations

from study.judging import errors, figures, steps, trainings
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measure, Measurement
from study.judging.protocol import Block


def unmeasured(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """A claim that could be measured, but by no stage yet."""
    raise MissingResult("no stage measures it yet", block.add or "write a measurement for it")


MEASURES: dict[str, Measure] = {
    "error_difference": errors.error_difference,
    "least_error_difference": errors.least_error_difference,
    "error_of_run": errors.error_of_run,
    "error_interaction": errors.error_interaction,
    "error_of_average": errors.error_of_average,
    "margin_over_hand_made": errors.margin_over_hand_made,
    "averaging_gain": errors.averaging_gain,
    "final_training_error": trainings.final_training_error,
    "first_training_loss": trainings.first_training_loss,
    "rise_of_validation_loss": trainings.rise_of_validation_loss,
    "final_gap": trainings.final_gap,
    "convergence_ratio": trainings.convergence_ratio,
    "times_ratio": trainings.times_ratio,
    "kernel_specialisation": figures.kernel_specialisation,
    "neighbour_match": figures.neighbour_match,
    "neighbours_far_in_pixels": figures.neighbours_far_in_pixels,
    "halved_outputs": figures.halved_outputs,
    "augmentation_share": steps.augmentation_share,
    "memory_of_a_step": steps.memory_of_a_step,
    "communication_share": steps.communication_share,
    "unmeasured": unmeasured,
}
