"""Labelled radiographs: read, divided into folds, augmented, and drawn for a training.

Begin with ``radiographs``, which finds images in folders and divides them into folds;
``label_sheet`` reads them from a sheet. ``targets`` are what is learned of them, ``acquisition``
tells how they were acquired, ``augmentation`` and ``variation`` change them. ``material`` puts all
this together for a training, and ``sources`` reads it from children's and adults' radiographs.
"""
