"""A package, so that the whole stack of these tests ends with the last of them."""
