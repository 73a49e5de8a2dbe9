"""The study page: viewer, model result, reading form, and actions on a study."""
