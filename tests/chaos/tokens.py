"""What must never come out: the trial's secrets, each looked for everywhere afterwards."""

SECRET = "chaos-webhook-secret-0123456789abcdef"
API_TOKEN = "chaos-api-token-0123456789abcdefghijkl"
CALLER_TOKEN = "glpat-CALLERCANARY0123456789"
"""Lent for runs of projects that the service itself may not see."""
STRANGER_TOKEN = "glpat-STRANGERCANARY01234567"
"""Of a user who may see none of them either."""
