from django.apps import AppConfig
from django.core.checks import register

from settings.checks import unknown_celery_settings


class SettingsConfig(AppConfig):
    name = "settings"

    def ready(self) -> None:
        register(unknown_celery_settings)
