"""Questions to the host (doctor) and to the cluster (verify)."""
