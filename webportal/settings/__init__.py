"""Settings of the portal and of the workers, read from the environment (twelve-factor).

`make run` sets every variable for a single machine; docs/deployment/settings.md lists them all.
"""

import django_stubs_ext

from webportal.settings.audit import *  # noqa: F403
from webportal.settings.data import *  # noqa: F403
from webportal.settings.environment import *  # noqa: F403
from webportal.settings.inference import *  # noqa: F403
from webportal.settings.intake import *  # noqa: F403
from webportal.settings.monitoring import *  # noqa: F403
from webportal.settings.network import *  # noqa: F403
from webportal.settings.people import *  # noqa: F403
from webportal.settings.portal import *  # noqa: F403
from webportal.settings.reading import *  # noqa: F403

# Allows generic classes such as ModelForm[User] to be subscripted, as the type checker expects.
django_stubs_ext.monkeypatch()
