"""Files that may not cross, kept where nobody but root comes, and put back."""
