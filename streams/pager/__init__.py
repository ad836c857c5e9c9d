"""Pages: alerts that wake somebody, from the `alerts` topic to receivers outside. ``sansheng pager``."""
