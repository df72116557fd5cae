from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "keys.apps.KeysConfig"]
