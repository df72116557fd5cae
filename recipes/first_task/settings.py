from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "first_task.apps.FirstTaskConfig"]
