"""Training networks: from ImageNet weights, on children and adults, and for adults alone.

Begin with ``from_imagenet``, the training on children, from the weights of ``pretrained``.
``refining`` continues it with adults, ``joint`` trains on both with a teacher, and ``adults``
trains a second set of upper stages, with ``choosing`` for what decides between the sets. These
three train in ``parts``, each without some of the patients. ``learning`` is shared by all.
"""
