"""The cost of the access log: `python -m bench.access_log`.

Two portals on one database, with and without the access log middleware, alternately serve blocks of
requests, with as many clients as the portal has threads.
"""

import argparse
import http.client
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from bench.system import Portal, new_system, say

CLIENTS = 8
STUDIES = 200


def main() -> int:
    """Measure, and print requests per second with and without, their ratio, and bytes per entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=8, help="blocks for each portal and page")
    parser.add_argument("--seconds", type=float, default=4, help="length of a block")
    given = parser.parse_args()
    with new_system() as (stack, folder, _):
        pages, session = _fill()
        without = os.environ | {"DJANGO_SETTINGS_MODULE": "bench.unrecorded"}
        ports = [
            Portal(stack, folder / "with.log").port,
            Portal(stack, folder / "without.log", without).port,
        ]
        for kind, paths in pages.items():
            rates: tuple[list[float], list[float]] = ([], [])
            for number in range(1 + given.blocks):
                for port, found in zip(ports, rates, strict=True):
                    rate = _block(port, session, paths, given.seconds)
                    # The first block fills caches.
                    if number:
                        found.append(rate)
            recorded, unrecorded = map(statistics.median, rates)
            ratio = statistics.median(a / b for a, b in zip(*rates, strict=True))
            say(f"{kind}: {recorded:.0f}/s with, {unrecorded:.0f}/s without, ratio {ratio:.2f}")
        _say_sizes()
    return 0


def _fill() -> tuple[dict[str, list[str]], str]:
    """Create studies; return the URLs of each kind of page, and a radiologist's session."""
    from django.test import Client

    from bench.pictures import stored_files
    from bench.records import make_uploader, store_radiographs
    from webportal.accounts.models import Role, User

    images = store_radiographs(stored_files(20), STUDIES, make_uploader())
    reader = User.objects.create_user("reader", None, [Role.RADIOLOGIST])
    client = Client()
    client.force_login(reader)
    pages = {
        "worklist of 50 rows": ["/worklist?state=unread"],
        "study": [f"/studies/{each.study_id}" for each in images],
        "pixels": [f"/radiographs/{each.pk}/v2/pixels" for each in images],
    }
    return pages, client.cookies["sessionid"].value


def _block(port: int, session: str, paths: Sequence[str], seconds: float) -> float:
    """The requests per second served to all clients together."""
    until = time.perf_counter() + seconds

    def ask(number: int) -> int:
        count = 0
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            while time.perf_counter() < until:
                path = paths[(number + count * CLIENTS) % len(paths)]
                connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise RuntimeError(f"{path}: {response.status}")
                count += 1
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        total = sum(clients.map(ask, range(CLIENTS)))
    return total / (time.perf_counter() - started)


def _say_sizes() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, count(*), avg(cardinality(study_ids)), avg(pg_column_size(entry))"
            " FROM access_accessentry AS entry GROUP BY kind ORDER BY kind"
        )
        for kind, count, studies, size in cursor.fetchall():
            say(f"{count} entries of {kind}: {studies:.0f} studies, {size:.0f} bytes each")
        cursor.execute(
            "SELECT pg_indexes_size('access_accessentry')::float"
            " / pg_table_size('access_accessentry')"
        )
        say(f"indexes take {cursor.fetchone()[0]:.1f} times the entries")


if __name__ == "__main__":
    sys.exit(main())
