"""The access log: which patients each user was shown. Views report them; the middleware logs."""
