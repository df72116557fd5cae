from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "stamped_headers.apps.StampedHeadersConfig"]
