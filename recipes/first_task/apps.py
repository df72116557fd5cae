from django.apps import AppConfig


class FirstTaskConfig(AppConfig):
    name = "first_task"
