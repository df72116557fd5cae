from django.db import transaction

from testing.models import Signup
from testing.tasks import welcome


@transaction.atomic
def sign_up(email: str) -> Signup:
    signup = Signup.objects.create(email=email)
    welcome.delay_on_commit(signup.pk)
    return signup
