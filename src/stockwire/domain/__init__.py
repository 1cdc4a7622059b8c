"""The rules. Pure: frozen values and the time go in, a frozen decision or refusals come out (R1–R10)."""
