"""Where sound comes from: protocols of PBXs and clients, and files. Each gives frames of a leg."""
