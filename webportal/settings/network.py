"""Exchange with other systems: DICOM, orders, DICOMweb, delivery of results."""

from pathlib import Path

import environ

from webportal.settings.environment import VAR_DIR, env

# ── DICOM network ───────────────────────────────────────────────────────────────────────────────
# As what and where the receiver listens (manage.py receive_dicom).
DICOM_AE_TITLE = env.str("DICOM_AE_TITLE", default="CHESTLINE").strip(" ")
if not (DICOM_AE_TITLE.isascii() and 1 <= len(DICOM_AE_TITLE) <= 16 and "\\" not in DICOM_AE_TITLE):
    raise environ.ImproperlyConfigured("DICOM_AE_TITLE must be 1 to 16 ASCII characters.")
DICOM_ADDRESS = env.str("DICOM_ADDRESS", default="127.0.0.1")
DICOM_PORT = env.int("DICOM_PORT", default=11112)
# Where instances wait to be imported; on a local disk of the receiver.
DICOM_INBOX = Path(env.str("DICOM_INBOX", default=str(VAR_DIR / "dicom-inbox")))
# A study is imported once nothing more of it has arrived for this long.
DICOM_STUDY_QUIET_SECONDS = env.float("DICOM_STUDY_QUIET_SECONDS", default=10)
# Reports, key objects and presentation states: not accepted (refuse), or set aside (keep).
DICOM_OTHER_OBJECTS = env.str("DICOM_OTHER_OBJECTS", default="keep")
if DICOM_OTHER_OBJECTS not in ("refuse", "keep"):
    raise environ.ImproperlyConfigured("DICOM_OTHER_OBJECTS must be refuse or keep.")
DICOM_ASSOCIATIONS = env.int("DICOM_ASSOCIATIONS", default=10)
DICOM_ASSOCIATIONS_PER_NODE = env.int("DICOM_ASSOCIATIONS_PER_NODE", default=5)
DICOM_IDLE_SECONDS = env.float("DICOM_IDLE_SECONDS", default=60)
DICOM_ANSWER_SECONDS = env.float("DICOM_ANSWER_SECONDS", default=30)
# The maximum PDU length; larger ones cost memory, smaller ones time.
DICOM_PDU_BYTES = env.int("DICOM_PDU_BYTES", default=1024**2)
if not 4096 <= DICOM_PDU_BYTES <= 64 * 1024**2:
    raise environ.ImproperlyConfigured("DICOM_PDU_BYTES must be 4096 to 67108864.")
# PEM files: the receiver's certificate and key, and the CAs of client certificates.
DICOM_TLS_CERTIFICATE = env.str("DICOM_TLS_CERTIFICATE", default="")
DICOM_TLS_KEY = env.str("DICOM_TLS_KEY", default="")
DICOM_TLS_CLIENT_CA = env.str("DICOM_TLS_CLIENT_CA", default="")

# ── Orders (HL7 v2) ─────────────────────────────────────────────────────────────────────────────
# Where orders are received (manage.py receive_orders).
ORDERS_ADDRESS = env.str("ORDERS_ADDRESS", default="127.0.0.1")
ORDERS_PORT = env.int("ORDERS_PORT", default=2575)
ORDERS_MESSAGE_BYTES = env.int("ORDERS_MESSAGE_BYTES", default=1024**2)
ORDERS_CONNECTIONS = env.int("ORDERS_CONNECTIONS", default=20)
# How long a connection may be silent, and how long a message may take to arrive.
ORDERS_IDLE_SECONDS = env.float("ORDERS_IDLE_SECONDS", default=3600)
ORDERS_ANSWER_SECONDS = env.float("ORDERS_ANSWER_SECONDS", default=30)
# Orders without a study, and records of messages, are removed after this.
ORDERS_KEPT_DAYS = env.int("ORDERS_KEPT_DAYS", default=180)
# PEM files, as for the DICOM receiver.
ORDERS_TLS_CERTIFICATE = env.str("ORDERS_TLS_CERTIFICATE", default="")
ORDERS_TLS_KEY = env.str("ORDERS_TLS_KEY", default="")
ORDERS_TLS_CLIENT_CA = env.str("ORDERS_TLS_CLIENT_CA", default="")

# ── DICOMweb ────────────────────────────────────────────────────────────────────────────────────
# Viewers at these origins, such as https://viewer.hospital.example, may send requests from a
# browser, with a token: cookies are only for the portal's own pages.
CORS_ALLOWED_ORIGINS = env.list("DICOMWEB_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/dicom-web/"
CORS_EXPOSE_HEADERS = ["Warning"]

# ── Delivery of results ─────────────────────────────────────────────────────────────────────────
# The name of the hospital in documents that leave the portal.
ORGANIZATION = env.str("ORGANIZATION", default="Hospital")
# How long a destination may take to respond, and the CA file that its certificate is checked with.
DELIVERY_ANSWER_SECONDS = env.float("DELIVERY_ANSWER_SECONDS", default=60)
DELIVERY_CA = env.str("DELIVERY_CA", default="")
# The FHIR identifier system of each issuer of Patient IDs.
FHIR_PATIENT_SYSTEMS = env.dict("FHIR_PATIENT_SYSTEMS", default={})
if not all(":" in system for system in FHIR_PATIENT_SYSTEMS.values()):
    raise environ.ImproperlyConfigured(
        "FHIR_PATIENT_SYSTEMS must be ISSUER=URI, such as HOSPITAL=http://hospital.example/mrn."
    )
