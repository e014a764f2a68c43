"""The whole-system benchmark: peers side by side in one run, rows of load, readings of the kernel, a table and a plot."""
