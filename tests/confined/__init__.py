"""The program under `compose.yaml`'s confinement, carried out by the kernel without Docker."""
