"""What people look at: the wall."""
