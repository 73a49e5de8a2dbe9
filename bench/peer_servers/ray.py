"""Ray Serve: `python -m bench.peer_servers.ray PORT`."""

import sys
import time
from typing import Any

import ray
from ray import serve

from bench.peer_servers.network import BATCH, WAIT_SECONDS, Network


@serve.deployment(max_ongoing_requests=2 * BATCH)
class Server:
    """Files come as the body of a request; Ray Serve makes batches of them."""

    def __init__(self) -> None:
        self.network = Network()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_SECONDS)
    async def answers(self, files: list[bytes]) -> list[str]:
        """The category of each file."""
        return self.network.answers(files)

    async def __call__(self, request: Any) -> dict[str, str]:
        """Answer one request."""
        return {"category": await self.answers(await request.body())}


if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Server.bind())  # type: ignore[attr-defined]
    while True:
        time.sleep(3600)
