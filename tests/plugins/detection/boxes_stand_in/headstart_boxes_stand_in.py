"""A stand-in for the kind of targets `boxes/boxes`, until the real one is installed."""

from headstart.hookspecs import hookimpl
from headstart.specs import TargetSpec


@hookimpl
def register_targets():
    return [TargetSpec(name="boxes/boxes", summary="Boxes.", build="headstart_boxes_stand_in:Kind", means="boxes")]


class Kind:
    noun = "class"
    exclusive = False
    moves = True

    def __init__(self, request):
        pass

    def recognise(self, records):
        return None

    def check(self, items):
        return ()

    def names(self, target):
        return tuple(sorted(set(target["classes"])))

    def strata(self, targets):
        return [self.names(target) for target in targets]

    def words(self, target):
        return f"{len(target['classes'])} boxes"

    def read(self, target, where):
        import numpy as np

        from headstart.errors import DataError
        from headstart_plugins._boxes import Boxes

        if not hasattr(target, "keys"):
            raise DataError(f"{where}: no boxes")
        corners = np.array(target["corners"], np.float64).reshape(-1, 4)
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
        flags = [np.array(target.get(name, [False] * len(corners)), bool) for name in ("crowd", "difficult")]
        return Boxes(corners, tuple(target["classes"]), np.array(target.get("areas", areas), np.float64), *flags)

    def transform(self, targets, changes, facts):
        return targets
