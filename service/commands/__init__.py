"""The commands of `devops-backend`, one module per group. Heavy imports wait until they run."""
