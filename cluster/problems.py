"""The one error a person sees."""


class Problem(Exception):
    """What went wrong or is missing, as one sentence that says what to do."""
