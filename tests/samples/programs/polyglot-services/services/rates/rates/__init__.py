"""What one currency is worth in another."""
