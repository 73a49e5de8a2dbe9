"""An identity provider: oidc-provider-mock as a process of its own, and a browser that uses it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.test import Client

from tests.helpers import free_port

START_SECONDS = 60
#: Under which it knows the portal.
CLIENT_ID = "chestline"


class IdentityProvider:
    """The provider at an address, with the people whom it is told of."""

    def __init__(self, url: str) -> None:
        self.url = url

    def knows(self, sub: str, **claims: Any) -> None:
        """Make the provider say this of the person from now on."""
        told = {"preferred_username": sub, "name": f"{sub.title()} Tester", **claims}
        requests.put(f"{self.url}/users/{sub}", json=told, timeout=10).raise_for_status()

    def forgets(self, sub: str) -> None:
        """Revoke what the person's clients may ask by."""
        requests.post(f"{self.url}/users/{sub}/revoke-tokens", timeout=10).raise_for_status()

    def leads_back(self, address: str, sub: str) -> str:
        """Sign the person in at the provider; where it leads the browser."""
        answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def signs(self, sub: str, client_id: str, **claims: Any) -> str:
        """A token of these claims, signed by the provider: its ID token without a nonce."""
        self.knows(sub, **claims)
        back = "http://testserver/back"
        query = {"client_id": client_id, "redirect_uri": back, "response_type": "code"}
        query |= {"scope": "openid"}
        address = requests.Request("GET", f"{self.url}/oauth2/authorize", params=query).prepare()
        code = parse_qs(urlsplit(self.leads_back(str(address.url), sub)).query)["code"][0]
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        auth = (client_id, "secret")
        answer = requests.post(f"{self.url}/oauth2/token", data=data, auth=auth, timeout=10)
        return str(answer.json()["id_token"])

    def sign_in(self, client: Client, sub: str, target: str = "") -> Any:
        """Sign the person in to the portal by way of the provider; the portal's last answer."""
        start = client.get("/sign-in/provider", {"next": target})
        assert start.status_code == 302, start.text
        back = urlsplit(self.leads_back(start.headers["Location"], sub))
        return client.get(f"{back.path}?{back.query}")


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    """Start a provider on a free port, and end it."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        provider = IdentityProvider(f"http://127.0.0.1:{port}")
        _await(provider, process)
        yield provider
    finally:
        process.terminate()
        process.wait(30)


def _await(provider: IdentityProvider, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the provider has ended"
        try:
            requests.get(f"{provider.url}/jwks", timeout=10).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the provider does not start")
