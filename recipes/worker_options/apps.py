from django.apps import AppConfig


class WorkerOptionsConfig(AppConfig):
    name = "worker_options"
