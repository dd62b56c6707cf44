"""Releases in S3: immutable versions as plain files, and aliases that are append-only logs of generations.

`publishing` makes versions and `versions` finds them, `checks` reads every byte of one and `pulling` copies it, `generations`
moves the pointer and `aliases` reads it, `moving` keeps a version from being moved to and deleted at once, `challengers` says
which one waits, `asking` asks people about it and `approvals` knows what was asked and answered, `audit` checks all that is there,
`retention` deletes what nobody names and `uploads` what nobody ended, `comparing` holds two versions side by side. What only
reads holds no task: a command that only looks does without Prefect. docs/registry.md has the protocol.
"""
