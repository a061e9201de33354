"""One module for each figure: `measure(bench)` gives its numbers and its tables."""
