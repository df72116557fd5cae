from django.core import mail

from testing.signups import sign_up
from testing.worker import WorkerTestCase


class SignUpWithWorkerTests(WorkerTestCase):
    def test_a_worker_welcomes_who_signed_up(self) -> None:
        signup = sign_up("ada@example.com")
        self.wait_for_tasks()
        signup.refresh_from_db()
        self.assertIsNotNone(signup.welcomed_at)
        self.assertEqual(mail.outbox, [])
