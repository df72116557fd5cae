from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "empty_the_queue.apps.EmptyTheQueueConfig"]
