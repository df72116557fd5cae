from typing import Any

from core.celery import app


def take(task_id: str, seconds: float) -> Any:
    result = app.AsyncResult(task_id)
    value = result.get(timeout=seconds)
    result.forget()
    return value
