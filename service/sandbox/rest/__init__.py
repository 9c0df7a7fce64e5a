"""GitLab's REST v4, one module per resource. `service.sandbox.api` holds the table of routes."""
