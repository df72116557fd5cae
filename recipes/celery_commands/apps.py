from django.apps import AppConfig


class CeleryCommandsConfig(AppConfig):
    name = "celery_commands"
