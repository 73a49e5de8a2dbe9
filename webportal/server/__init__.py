"""The portal's HTTP server: it holds slow clients itself and gives whole requests to Django.

uvicorn parses HTTP. `connections` limits how long a connection may take to send a request,
`admission` decides who may send a large body before any of it is taken in, `bodies` takes it in,
and `bridge` has Django answer in a limited number of threads that never wait for a client.
"""
