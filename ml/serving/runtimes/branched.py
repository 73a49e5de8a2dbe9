"""Networks that take an image for a child's or an adult's. Imports no deep-learning library."""

from collections.abc import Mapping
from typing import Self

import numpy as np

from ml.serving.chooser import ADULT_LOG_ODDS, Chooser, taken_for_adults
from ml.serving.runtimes.interface import Inputs, Outputs, Runtime
from ml.serving.stages import ADULT, CHILD, Stages


class ChoosingRuntime:
    """Runs a network, and says with one output more whether an image is an adult's."""

    def __init__(self, network: Runtime, chooser: Chooser) -> None:
        self._network, self._chooser = network, chooser
        self.name, self.device_name = network.name, network.device_name

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network; see ``Runtime``. One output more has the chooser's log-odds."""
        found = self._network.outputs(inputs)
        return {**found, ADULT_LOG_ODDS: self._chooser.log_odds(found["layout"])}


class BranchedRuntime:
    """Runs an image through the trunk, and from there through the upper stages chosen for it.

    ``trunk`` has the outputs ``features`` and ``layout``; ``upper`` has for each set of stages what
    takes the features. All of them run in the same runtime, on the same device.
    """

    def __init__(self, trunk: Runtime, upper: Mapping[Stages, Runtime], chooser: Chooser) -> None:
        self._trunk, self._upper, self._chooser = trunk, upper, chooser
        self.name, self.device_name = trunk.name, trunk.device_name

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network; see ``Runtime``. One output more has the chooser's log-odds."""
        below = self._trunk.outputs(inputs)
        adult = self._chooser.log_odds(below["layout"])
        as_adults = taken_for_adults(adult)
        above = {
            stages: self._upper[stages].outputs(below["features"][rows])
            for stages, rows in ((CHILD, ~as_adults), (ADULT, as_adults))
            if rows.any()
        }
        merged = {"layout": below["layout"], ADULT_LOG_ODDS: adult}
        for name, values in next(iter(above.values())).items():
            merged[name] = np.empty((len(inputs), *values.shape[1:]), np.float32)
            for stages, found in above.items():
                merged[name][as_adults == (stages == ADULT)] = found[name]
        return merged

    def only(self, stages: Stages) -> Self:
        """Return the network with one set of upper stages, for whatever image."""
        return type(self)(self._trunk, self._upper, self._chooser.always(stages))

    def of_each(self, inputs: Inputs) -> Outputs:
        """Return the outputs of both sets of stages, named ``child.logit`` and so on, for probes.

        What does not depend on the stages keeps its name.
        """
        below = self._trunk.outputs(inputs)
        shared = {
            "layout": below["layout"],
            ADULT_LOG_ODDS: self._chooser.log_odds(below["layout"]),
        }
        return shared | {
            f"{stages}.{name}": values
            for stages, upper in self._upper.items()
            for name, values in upper.outputs(below["features"]).items()
        }


def as_adults(runtime: Runtime) -> Runtime:
    """Return a network that assesses every image with an adult's stages, if it has some."""
    return runtime.only(ADULT) if isinstance(runtime, BranchedRuntime) else runtime


def as_children(runtime: Runtime) -> Runtime:
    """Return a network that assesses every image as a child's, which others do anyway."""
    return runtime.only(CHILD) if isinstance(runtime, BranchedRuntime) else runtime
