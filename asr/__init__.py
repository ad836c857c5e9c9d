"""Ears: audio of both parties in; words, sounds and silences out, as events of the record.

The inner modules know audio, recognisers and ``streams.events``, and no Kafka. Only ``commands``, ``gateway``,
``worker``, ``hear``, ``renew`` and ``engines`` know the topics, the settings and the rulebook.
"""
