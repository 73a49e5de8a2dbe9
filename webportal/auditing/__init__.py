"""The auditors' pages: searching the trail and verifying it. The trail itself is in `audit`."""
