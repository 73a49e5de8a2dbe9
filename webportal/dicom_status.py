"""DICOM statuses and failure reasons, with which operations end and instances are turned down.

PS3.7 annex C; those of C-STORE in PS3.4 table B.2-1, of storage commitment in PS3.3 C.14.1.1.
"""

SUCCESS = 0x0000
PENDING = 0xFF00
#: Matches of a C-FIND; the second is given where an optional key is not supported.
PENDING_MATCHES = (PENDING, 0xFF01)

PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
INVALID_INSTANCE = 0x0117
CLASS_CONFLICT = 0x0119
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

OUT_OF_RESOURCES = 0xA700
#: The data set does not match the SOP class.
NOT_MATCHING = 0xA900
CANNOT_UNDERSTAND = 0xC000
