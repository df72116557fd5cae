from django.apps import AppConfig


class LifeOfATaskConfig(AppConfig):
    name = "life_of_a_task"
