"""The `egm` command: a file for each verb, and what they share. `verbs.py` says which verbs there are."""
