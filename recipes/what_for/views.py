from uuid import UUID

from celery import states
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from what_for.tasks import summarize


@require_POST
def start(request: HttpRequest, year: int) -> JsonResponse:
    summary = summarize.delay(year)
    address = reverse("summary", args=[summary.id])
    return JsonResponse({"id": summary.id}, status=202, headers={"Location": address})


@require_safe
def show(request: HttpRequest, task_id: UUID) -> JsonResponse:
    summary = summarize.AsyncResult(str(task_id))
    state = summary.state
    return JsonResponse({"state": state, "summary": summary.result if state == states.SUCCESS else None})
