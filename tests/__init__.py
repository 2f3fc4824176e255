"""A package, so that fixtures of scope "package" end with their folder, and what they started with them."""
