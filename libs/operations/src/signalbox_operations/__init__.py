"""What people do to a running system: contracts, their registration, and dead letters that come back."""
