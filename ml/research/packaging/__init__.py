"""From a trained network to a model package, with its figures, plots and card.

One module for each kind of network. Begin with ``trained``, for one from ImageNet weights;
``refined`` and ``joint`` are for one that has seen adults, ``branched`` for one with a second set
of upper stages, ``calibrated`` for one with a second calibration, both measured by ``adults``. All
of them use ``plots`` and ``writing``, which writes the ``card``; ``export`` makes the ONNX files.
``documenting`` adds plots to a package that is there already.
"""
