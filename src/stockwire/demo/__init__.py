"""What `make run` shows: a server, a receiver, real orders, and the proof that it adds up."""
