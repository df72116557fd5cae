from django.apps import AppConfig


class BackendCleanupConfig(AppConfig):
    name = "backend_cleanup"
