"""What a download would do and why, what is known of its sources, and how they compare."""
