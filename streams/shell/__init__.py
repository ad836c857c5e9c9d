"""The only code that knows Faust and Kafka: the worker, the gateway, topics, the embedded broker."""
