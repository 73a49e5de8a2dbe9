"""The environment that the settings are read from, and the folders they refer to."""

from pathlib import Path

import environ

env = environ.FileAwareEnv()

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.str("CHESTLINE_VAR", default=str(BASE_DIR / "var")))
