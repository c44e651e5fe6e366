"""Networks that hold cities: small changes of a base's parameters, chosen by where an agent drives."""
