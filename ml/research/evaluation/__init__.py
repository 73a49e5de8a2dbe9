"""A network's responses to labelled images, with figures and plots of them.

Begin with ``responses``, a network's outputs. ``scale`` makes probabilities of them and sets the
``operating_points``; ``figures`` measures these, with intervals from ``bootstrap``. ``held_out``
does so for folds, ``adults`` for adults, and ``plots`` and ``group_plots`` draw it.

Each of the others answers one question: of the heat map ``occlusion``, ``pointing`` and
``heatmap``, of the acquisition ``shortcuts``, of file formats ``consistency``, of speed
``benchmark``.
"""
