"""What every node needs: parameters, quality of service, publishers, messages, logging, and its end."""
