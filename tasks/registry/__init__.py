"""Releases in S3: immutable versions as plain files, and aliases that are append-only logs of generations.

`versions` publishes and finds them, `checks` reads every byte of one, `aliases` moves the pointer, `moving` keeps a
version from being moved to and deleted at once, `audit` checks all that is there, `retention` deletes what nobody
names and `uploads` what nobody ended, `comparing` holds two versions side by side. docs/registry.md has the protocol.
"""
