"""Floor 0: what every floor stands on. Ids, clock, errors, actors, configuration, events, ports, logs, files.

Imports nothing of ours. No room, engine or protocol is named here except in `ports`, where rooms meet.
"""
