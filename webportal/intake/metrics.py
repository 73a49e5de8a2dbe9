"""What intake measures in this process, for `/metrics`: verdicts, and how long files take."""

from prometheus_client import Counter, Histogram

#: Since the process started. What the DICOM receiver imports is counted there, and shown nowhere.
verdicts = Counter(
    "chestline_uploaded_files",
    "Files sent to this portal, by verdict.",
    ["verdict"],
    registry=None,
)
seconds = Histogram(
    "chestline_upload_seconds",
    "How long the portal took to check a file, or to store a file or a group of files.",
    ["step"],
    registry=None,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
