"""The supervisors' wall: a websocket server and the page that it serves (``docs/wall.md``)."""
