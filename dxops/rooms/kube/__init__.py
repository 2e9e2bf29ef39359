"""Kube: the services of a KUBE node that are not delivery: dx RPC sockets, tunnels, signal, supervisor, well-knowns.

Called by the dx CLI, `@dxos/client` and every app built with it, on the kube hosts and `/.well-known/dx` of app hosts.
Keeps tunnels and the node's key in PostgreSQL, schema `kube`; swarms only in memory.

    http -> socket -> wire/dxrpc -> publisher | tunnels | supervisor | signal     (RPC)
    http -> known                                                                 (JSON)
"""
