"""`dxops up`: starts every role as a process, watches it, restarts it with back-off, drains on SIGTERM.

`rules` decides, `process` holds one role's process, `status` is the file others read, `supervisor` joins them.
The supervisor opens no engine and serves nothing: it stays small and has little that can fail.
"""
