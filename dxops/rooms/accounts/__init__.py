"""Accounts: people, roles, tokens, sessions, the audit log.

Called by the console (login, people, tokens), by every API (who is asking), by rooms that act (audit).
Keeps people, tokens, sessions and the audit log in PostgreSQL, schema `accounts`. Secrets only as hashes.
"""
