"""What every process of the project needs to begin, to wait and to keep: settings, TLS, retries, stores."""
