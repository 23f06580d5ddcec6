"""What is asked once, beside the stream: the services that a program waits for."""
