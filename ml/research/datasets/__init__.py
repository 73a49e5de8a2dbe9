"""Labelled radiographs: read, divided into folds, augmented, and drawn for a training."""
