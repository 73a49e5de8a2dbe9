"""The two sets of upper stages that a package may have: for images of children and of adults."""

from typing import Literal

Stages = Literal["child", "adult"]
CHILD: Stages = "child"
ADULT: Stages = "adult"
