"""BentoML: `bentoml serve bench.peer_servers.bento:Server --port PORT`."""

from pathlib import Path

import bentoml

from bench.peer_servers.network import BATCH, Network


@bentoml.service(workers=1, traffic={"timeout": 300, "max_concurrency": 1000})
class Server:
    """Files come in a multipart form; BentoML makes batches of them."""

    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=10_000)
    def answer(self, files: list[Path]) -> list[str]:
        """The category of each file."""
        return self.network.answers([file.read_bytes() for file in files])
