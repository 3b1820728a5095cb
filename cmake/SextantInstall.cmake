# Filled below by the install rules.
