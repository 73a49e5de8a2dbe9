"""Upload a folder of radiographs, wait, and print what became of each file as CSV.

    python upload_folder.py http://localhost:8000 TOKEN FOLDER

The token's owner needs the role uploader, and radiologist too for the model's results. What was
sent before is found again by its content, so a broken run is simply repeated.
"""

import sys
import time
from pathlib import Path

import requests

folder, api = Path(sys.argv[3]), requests.Session()
api.headers["Authorization"] = f"Token {sys.argv[2]}"
api.hooks["response"] = [lambda answer, **_: None if answer.ok else sys.exit(answer.text)]
batches = f"{sys.argv[1]}/api/v1/batches"
batch = f"{batches}/{api.post(batches, json={'name': folder.name}).json()['id']}"
for file in filter(Path.is_file, sorted(folder.rglob("*"))):
    form = {"path": str(file.relative_to(folder))}
    api.post(f"{batch}/files", data=form, files={"file": file.open("rb")})
while api.get(batch).json()["summary"]["waiting"]:
    time.sleep(1)
print(api.get(f"{batch}/results.csv").content.decode("utf-8-sig"), end="")
