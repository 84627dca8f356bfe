"""``paddle-electra doctor``: is this machine fit for the toolkit, and what cures what is not?"""
