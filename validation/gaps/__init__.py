"""The gap between theory and simulation against the width."""
