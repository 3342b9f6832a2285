"""The panels of the lab, one job a file. Each has a pure builder that turns a `Moment` into what is drawn."""
