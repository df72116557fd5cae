import pytest
from celery import Celery

from cookbook.project import CookbookError
from cookbook.render.reference import setting, written


def test_a_setting_has_the_default_of_the_installed_celery():
    found = setting("task_acks_late")
    assert found.name == "CELERY_TASK_ACKS_LATE"
    assert found.default is Celery().conf.task_acks_late
    assert found.type == "bool"


def test_a_span_of_time_is_written_in_seconds():
    assert written(setting("result_expires").default) == "86400"


def test_an_option_of_the_transport_is_read_from_kombu():
    assert setting("broker_transport_options.visibility_timeout").default == 3600


@pytest.mark.parametrize("name", ["task_ack_late", "broker_transport_options.visibility_timeou"])
def test_an_unknown_setting_suggests_the_nearest_one(name):
    with pytest.raises(CookbookError, match=r" \(did you mean (task_acks_late|visibility_timeout)\?\): correct it$"):
        setting(name)
