"""Following files: whole records out of files that grow, are rotated and truncated, and the places up to which they
were taken. Nothing here knows where records go: `following` puts our own into the spool, `dxops tail-files` sends them.

    tail = Tail(patterns, places)
    for chunk in tail.poll(budget): ...    # blocks on the disk only; call it in a thread
    tail.done(chunk)                       # it is safe where it went: `tail.places()` are to be kept
"""
