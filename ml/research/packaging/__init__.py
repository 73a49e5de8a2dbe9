"""From a trained network to a model package: export, figures, plots and card."""
