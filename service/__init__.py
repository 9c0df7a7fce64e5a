"""The HTTP edge: receives deliveries, answers the API, shows the dashboard. Asynchronous."""
