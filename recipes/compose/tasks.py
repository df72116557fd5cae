from celery import shared_task
from django.contrib.auth import get_user_model


@shared_task
def count_users() -> int:
    return get_user_model().objects.count()
