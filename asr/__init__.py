"""Ears: audio of both parties in; words, sounds and silences out, as events of the record.

The inner modules know audio, recognisers and ``streams.events``, and no Kafka. Only ``commands``, ``gateway`` and
``worker`` know the topics, the settings and the rulebook.
"""
