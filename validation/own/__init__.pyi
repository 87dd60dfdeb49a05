from validation.own.conventions import (
    Convention as Convention,
    convention as convention,
)
from validation.own.losses import loss_of as loss_of
from validation.own.models import from_torch as from_torch
from validation.own.network import OwnNetwork as OwnNetwork
from validation.own.training import train_in_torch as train_in_torch
