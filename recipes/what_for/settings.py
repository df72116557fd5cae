from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "what_for.apps.WhatForConfig"]
ROOT_URLCONF = "what_for.urls"
