"""Upload a folder of radiographs, wait, and print what the model says of each image.

    python upload_folder.py http://localhost:8000 TOKEN FOLDER

The token's owner needs the roles uploader and radiologist. A file that was sent before is found
again by its content and creates nothing, so a broken run is simply repeated.
"""

import sys
import time
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

address, token, folder = sys.argv[1].rstrip("/") + "/api/v1", sys.argv[2], Path(sys.argv[3])
session = requests.Session()
session.headers["Authorization"] = f"Token {token}"
# A file may be sent again whenever it is not certain that it arrived: nothing is taken in twice.
retries = Retry(
    total=4,
    backoff_factor=0.5,
    status_forcelist=[500, 502, 503, 504],
    allowed_methods=None,
    raise_on_status=False,
)
session.mount(f"{address}/batches/", HTTPAdapter(max_retries=retries))


def call(method: str, path: str, **options: Any) -> Any:
    """Call the API and return what it answers; end with its words when it refuses."""
    answer = session.request(method, f"{address}/{path}", **options)
    if not answer.ok:
        sys.exit(f"{answer.status_code}: {answer.text}")
    return answer.json()


files = sorted(file for file in folder.rglob("*") if file.is_file())
batch = call("POST", "batches", json={"name": folder.name})["id"]
names: dict[str, list[str]] = {}
for file in files:
    form = {"path": str(file.relative_to(folder)), "expected": len(files)}
    with file.open("rb") as data:
        answer = call("POST", f"batches/{batch}/files", files={"file": data}, data=form)
    for item in answer["items"]:
        names.setdefault(item["radiograph"], []).append(item["file_name"])
        print(item["file_name"], item["verdict"], item["reason"])
while call("GET", f"batches/{batch}")["summary"]["waiting"]:
    time.sleep(1)
page = 1
while page:
    found = call("GET", f"predictions?batch={batch}&is_current=true&page_size=500&page={page}")
    for result in found["results"]:
        for name in names[result["radiograph"]]:
            print(name, result["category"], result["probability"])
    page = page + 1 if found["next"] else 0
