"""What `fastdl doctor` examines: the machine, the settings, and the way to a server."""
