"""Sets Django up for the fuzzers, which reach neither database nor broker."""

import logging
import os
import warnings


def set_up() -> None:
    """Set Django up, and silence the decoders' warnings."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "webportal.settings",
        "SECRET_KEY": "for fuzzing alone",
        "AUDIT_KEY": "for fuzzing alone",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "BROKER_URL": "redis://127.0.0.1:1/0",
    }
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
