from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "celery_commands.apps.CeleryCommandsConfig"]
