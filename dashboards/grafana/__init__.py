"""Dashboards for Grafana, as code: floor (managers), quality (rules), engine (operators), ears (recogniser).

``python -m dashboards.grafana`` (``make dashboards``) writes them as JSON beside this file. Only that command needs
grafana-foundation-sdk; no running process imports this package.
"""
