from django.apps import AppConfig


class WhatForConfig(AppConfig):
    name = "what_for"
