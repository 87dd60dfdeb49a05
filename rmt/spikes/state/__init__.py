"""Training as a walk of one state: rows go into a step on a batch of samples, rows come out.

`rows` is the state, `samples` are the nodes of a sample with what it remembers of its batch's
steps, `averages` integrates over a row's own numbers at a sample, `walk` takes the steps of a
schedule.
"""
