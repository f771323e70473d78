"""What makes machines. All providers offer the same methods, in the same order."""
