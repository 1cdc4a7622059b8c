"""R23: whether the jobs of housekeeping run on time."""

import time

import pytest

from stockwire.housekeeping import JOBS, JobTimes


def test_a_job_that_does_not_finish_in_time_is_named_and_one_that_never_finished_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = time.monotonic()
    times = JobTimes()
    assert times.trouble() is None
    longest = 3 * max(job.every_seconds for job in JOBS) + 5
    monkeypatch.setattr(time, "monotonic", lambda: begun + longest - 1)
    for job in JOBS[1:]:
        times.finished(job.name)
    assert times.trouble() == f"Jobs have not finished in time: {JOBS[0].name}."
    times.finished(JOBS[0].name)
    assert times.trouble() is None
    monkeypatch.setattr(time, "monotonic", lambda: begun + 3 * longest)
    assert times.late() == [job.name for job in JOBS]
