"""How Sansheng is run: the embedded Kafka, the demo, what the system must have."""
