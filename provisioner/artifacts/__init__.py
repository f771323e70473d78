"""Files that a lab needs: what they are, where they come from, and how they are built."""
