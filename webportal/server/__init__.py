"""The portal's HTTP server: it buffers slow clients and passes complete requests to Django.

uvicorn parses HTTP. `connections` limits how long a connection may take to send a request,
`admission` decides who may send a large body before any of it is read, `bodies` reads it, and
`bridge` runs Django in a limited number of threads that never wait for a client.
"""
