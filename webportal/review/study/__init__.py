"""The study page: its viewer, the model's result, the reading form, and what is done to a study."""
