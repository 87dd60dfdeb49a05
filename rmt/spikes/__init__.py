"""What training does to the rows of the weights: the spikes of the mean update, at three levels.

The files of this folder are the level resummed. In the order in which data flows: `constants` of
the first step, `label_law`, averages over the `second_step` (a folder), `readout_rule`;
`mean_update` is all of that at one resolution, with the `SpikeStrengths` that other levels share;
`refinement` drives it, and `resummed` is the call. `scaling` has the leading terms of large ``N``,
`deformed` the outliers on the bulk that the steps deform. A fresh batch is told from a reused one
in `mean_update`, in `deformed.fluctuations` and in `scaling.label_moments`.
"""
