"""The nursery: one small process that has imported what the Python roles need, and forks them.

Importing is most of a role's start: about a second of a core for each. Here it is done once; a role is there a few
milliseconds after it was asked for, and shares the imported pages with the others. `keeper` is the process itself,
`nursery` how the supervisor asks it, `messages` what they say, `title` a forked role's command line for `ps`.
Not for the role `store`, whose engine has threads, nor where there is no Linux: those are started the plain way.
See docs/decisions/027-roles-are-forked.md.
"""
