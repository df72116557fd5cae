from django.core import mail
from django.test import TestCase

from testing.models import Signup
from testing.signups import sign_up
from testing.tasks import welcome


class WelcomeTests(TestCase):
    def test_the_message_goes_to_who_signed_up(self) -> None:
        signup = Signup.objects.create(email="ada@example.com")
        welcome(signup.pk)
        [message] = mail.outbox
        self.assertEqual(message.to, ["ada@example.com"])


class SignUpTests(TestCase):
    def test_the_welcome_leaves_once_the_signup_is_committed(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            sign_up("ada@example.com")
        self.assertEqual(mail.outbox, [])
        for callback in callbacks:
            callback()
        self.assertEqual(len(mail.outbox), 1)
