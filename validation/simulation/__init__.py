"""Networks of finite size: simulated, observed, repeated. Nothing here knows of the theory."""
