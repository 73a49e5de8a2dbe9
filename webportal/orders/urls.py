"""URL configuration of the pages of orders."""

from django.urls import path

from webportal.orders import source_views, views

app_name = "orders"
urlpatterns = [
    path("orders", views.to_decide, name="to-decide"),
    path("studies/<uuid:study_id>/order", views.study_order, name="study-order"),
    path("orders/senders", source_views.order_sources, name="sources"),
    path("orders/senders/<uuid:source_id>", source_views.order_source, name="source"),
]
