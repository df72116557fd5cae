from celery import shared_task
from django.core.mail import send_mail
from django.utils import timezone

from testing.models import Signup


@shared_task
def welcome(signup_id: int) -> None:
    signup = Signup.objects.get(pk=signup_id)
    send_mail("Welcome", "Your account is ready.", None, [signup.email])
    signup.welcomed_at = timezone.now()
    signup.save(update_fields=["welcomed_at"])
