"""A watcher of a search that looks away."""


class Unwatched:
    """For tests that look at the study instead."""

    def started(self, job):
        pass

    def measured(self, job, result):
        pass

    def ended(self, job, state, reason):
        pass

    def refused(self, number, reason):
        pass

    def reused(self, number, source):
        pass
