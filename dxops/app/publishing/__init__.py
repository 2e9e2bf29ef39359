"""What `dxops publish` does on the machine of the publisher: find apps, read git, build, send, tell the run.

Only the command line uses it; the system itself is reached through `/api`.
"""
