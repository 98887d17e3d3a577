"""What all packages stand on; knows no network."""
