"""Plans, their rendering, the policy they must pass, and the check of any `.gitlab-ci.yml`."""
