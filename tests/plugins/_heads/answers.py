"""What a task with one array of targets says of answers: shared by the tests of tasks."""

import numpy as np


def evaluated(task, targets, outputs, losses=None):
    """What its evaluator says of them."""
    (name,) = task.targets
    evaluator = task.evaluator()
    no_facts, no_losses = [{}] * len(targets), np.zeros(len(targets), np.float32)
    evaluator.update({name: targets}, outputs, no_facts, no_losses if losses is None else losses)
    return evaluator.result()


def calibrated(task, targets, outputs):
    """The task with what these answers tell, and that as result.json has it for val."""
    (name,) = task.targets
    calibrator = task.calibrator()
    calibrator.update({name: targets}, outputs)
    found = calibrator.found()
    made = task.calibrated(found)
    return made, {**found, "val": calibration_facts(made, targets, outputs)}


def calibration_facts(task, targets, outputs):
    return evaluated(task, targets, outputs).calibration


def table_of(task, outputs):
    """The columns of predictions.csv."""
    count = len(next(iter(outputs.values())))
    rows = [row for answer in task.decode(outputs, [{}] * count, 2**31) for row in task.rows(answer)]
    return {name: [row[name] for row in rows] for name in task.columns}
