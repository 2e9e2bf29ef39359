"""Delivery: environments, apps, releases, the pointer of each (app, environment), and moving it (KUBE).

Called by `dxops publish` and the API, by the dx RPC through the port `Publisher`, by serving processes through
the port `Sites`, by the console.
Keeps apps, releases, pointers, deployments and publish runs in PostgreSQL, schema `delivery`.
"""
