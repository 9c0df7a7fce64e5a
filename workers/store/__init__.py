"""What is kept in Redis, and how: the record of everything; each write is one atomic step."""
