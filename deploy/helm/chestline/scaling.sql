SELECT count(*) FROM inference_job WHERE state IN ('queued', 'running')
