"""LitServe: `python -m bench.peer_servers.litserve PORT`."""

import sys
from typing import Annotated, Any

import litserve
from fastapi import Body

from bench.peer_servers.network import BATCH, WAIT_SECONDS, Network


class Api(litserve.LitAPI):
    """Files come as the body of a request; LitServe makes batches of them."""

    def setup(self, device: Any) -> None:
        """Load the network in the process that predicts."""
        self.network = Network()

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        """The file."""
        return request

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Leave the decoding to `predict`, which has threads for it."""
        return inputs

    def predict(self, files: list[bytes]) -> list[str]:
        """The category of each file."""
        return self.network.answers(files)

    def unbatch(self, output: list[str]) -> list[str]:
        """An answer for each request."""
        return output

    def encode_response(self, output: str) -> dict[str, str]:
        """The answer."""
        return {"category": output}


if __name__ == "__main__":
    api = Api(max_batch_size=BATCH, batch_timeout=WAIT_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", timeout=300)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
