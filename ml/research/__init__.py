"""Research: training, evaluating and packaging a network. Never imported when serving.

Each package imports only from those above it, which a contract in ``pyproject.toml`` checks:

- ``datasets``: labelled radiographs, and what trainings draw from them; ``ood_samples``: images
  that the gate has to refuse
- ``evaluation``: a network's responses, with figures and plots of them
- ``training``: networks; ``gate``: fitting what refuses other images, and measuring it
- ``packaging``: a model package with its figures, plots and card
- ``comparison``: short trainings side by side
"""
