from django.urls import path

from what_for import views

urlpatterns = [
    path("weather/<int:year>/summary/", views.start),
    path("summaries/<uuid:task_id>/", views.show, name="summary"),
]
