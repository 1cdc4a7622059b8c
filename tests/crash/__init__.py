"""Kill -9 under load, judged from outside (R27): `make crash`, or `python -m tests.crash --cycles 100`.

The load and the receiver are processes that nobody kills. The load writes each request to its journal before it is
sent and each answer after; what it was not answered it settles by repeating the idempotency key. In the end three
witnesses must agree: the journal, the receiver's own file, and what the server says through its API.
"""
