"""Earlier studies, retrieved from a PACS when a study of the patient comes in.

`planning` decides for which studies a node is queried, `prior_requests` keeps the requests for it,
`queries` finds the earlier ones by C-FIND and compares their patient with ours, `retrieving`
retrieves them, `fetching` is the job as a whole.
"""
