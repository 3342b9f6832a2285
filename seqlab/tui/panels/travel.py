"""Going back and forth in time: which of the kept frames the person wants to see.

Keys move a wish, which counts from the wish before it and not from what the screen has come to: who holds a
key down gets where the key says, and frames that were passed meanwhile are never read. The wish stays where
it is when newer frames come. Beyond the newest kept frame lies the present.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from seqlab.tui.panels.moment import Moment, Wanted


class Travel:
    """What the person wants to see.

    Attributes:
        wanted: a kept frame; None for the present.
    """

    def __init__(self) -> None:
        self.wanted: Wanted | None = None

    def scrub(self, moment: Moment, by: int) -> bool:
        """Go by so many kept frames, below 0 back; whether that leads anywhere."""
        kept, before = moment.snapshot.kept, self.wanted
        here = _newest(moment) if before is None else before.step
        if by < 0:
            earlier = bisect_left(kept, here)
            if earlier:
                self.wanted = Wanted(kept[max(0, earlier + by)], -1)
        elif before is not None:
            later = bisect_right(kept, here) - 1 + by
            self.wanted = self._until_now(moment, kept[later] if later < len(kept) else None)
        return self.wanted != before

    def first(self, moment: Moment) -> bool:
        """Go to the first kept frame; whether that leads anywhere."""
        before = self.wanted
        self.wanted = self._until_now(moment, next(iter(moment.snapshot.kept), None))
        return self.wanted != before

    def live(self) -> bool:
        """Come back to the present; whether that leads anywhere."""
        before, self.wanted = self.wanted, None
        return before is not None

    def landed(self, wanted: Wanted | None, moment: Moment) -> None:
        """Take note of where a wish has led: another frame, or the present, if its frame cannot be read."""
        if wanted is not None and wanted is self.wanted:
            step = None if moment.chosen is None else moment.chosen.step
            if step != wanted.step:
                self.wanted = None if step is None else Wanted(step, wanted.towards)

    def _until_now(self, moment: Moment, step: int | None) -> Wanted | None:
        """A wish for a step, unless that is the newest there is."""
        return None if step is None or step >= _newest(moment) else Wanted(step, 1)


def _newest(moment: Moment) -> int:
    """The step of the newest frame; beyond all that are kept if it cannot be read."""
    frame, kept = moment.snapshot.frame, moment.snapshot.kept
    return frame.step if frame is not None else kept[-1] + 1 if kept else 0
