"""Questions to a lab and to its host. Nothing here changes a machine."""
