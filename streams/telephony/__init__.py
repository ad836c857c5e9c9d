"""PBX traffic in, the record out; and a recorded PBX to talk to."""
