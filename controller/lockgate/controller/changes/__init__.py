"""Changes to how the installation decides: proposed by one person, made by another's approval."""
