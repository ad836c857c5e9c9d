"""Sansheng's stream processor: from the record of a call to alerts."""
