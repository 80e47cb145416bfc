"""Record event streams, play them to clients, judge the clients."""
