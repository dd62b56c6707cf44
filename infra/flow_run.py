"""Which Prefect run this process works for: what tells a run that is started again from another one."""

from prefect.runtime import flow_run


def this_flow_run() -> str:
    """Its id; empty outside of one."""
    return flow_run.id or ""


def is_started_again() -> bool:
    """Whether an earlier process has worked for it: that one died, or was only thought to be dead."""
    return bool(flow_run.id) and flow_run.run_count > 1
