"""The suites' definitions: what they hold, and that `quick` is a beginning of `full`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from rmt.functions import ScalarFunction
from rmt.grids.grid import problem_at
from rmt.hermite import hermite_expansion
from rmt.status import InvalidInputError
from validation.catalogue import ALL_CASES, FEATURES, LEVELS, PLANE, WIDTHS, case
from validation.catalogue.case import IE1, IE2, IE3
from validation.simulation.plan import Plan
from validation.store.recipe import recipe
from validation.suites import SUITES, suite

QUICK, FULL = SUITES["quick"], SUITES["full"]


@pytest.mark.parametrize("name", SUITES)
def test_names_are_unique_and_known(name):
    found = SUITES[name]
    names = [entry.case.name for entry in found.entries]
    assert len(set(names)) == len(names)
    assert all(case(entry.case.name) is entry.case for entry in found.entries)
    assert len({section.name for section in found.sections}) == len(found.sections)
    assert all(entry.plan.problem == entry.case.problem for entry in found.entries)
    problems = {entry.case.problem for entry in found.entries}
    assert len(problems) == len(names)


def test_full_has_every_case():
    assert {entry.case.name for entry in FULL.entries} == set(ALL_CASES)
    assert len(LEVELS) == 24
    assert len(FEATURES) == 12


def test_full_goes_on_from_quick():
    """What quick has stored is found under the same keys: same seed, triplets and spectra."""
    full = {entry.case.name: entry.plan for entry in FULL.entries}
    for entry in QUICK.entries:
        begun, whole = entry.plan, full[entry.case.name]
        assert begun.n_samples <= whole.n_samples
        assert begun.seed == whole.seed
        assert all(recipe(begun, i) == recipe(whole, i) for i in begun.indices)
    sections = [section.name for section in FULL.sections]
    assert [s.name for s in QUICK.sections] == [
        name for name in sections if name in {s.name for s in QUICK.sections}
    ]


def test_quick_is_small():
    assert max(plan.problem.width for plan in QUICK.plans) <= 1000
    work = sum(
        plan.n_samples * plan.problem.width * plan.problem.dim * sum(plan.problem.samples)
        for plan in QUICK.plans
    )
    # About 100 seconds of one core at 20 billion multiplications a second, and spectra beside.
    assert work < 1e12


@pytest.mark.parametrize(("exponent", "target"), [(1, IE1), (2, IE2), (3, IE3)])
def test_information_exponents_of_the_batches(exponent, target):
    coefficients = np.abs(hermite_expansion(target, 3).orthonormal_array)
    assert np.all(coefficients[1:exponent] < 1e-12)
    assert coefficients[exponent] > 0.1
    assert case(f"ie{exponent}-reused").problem.target.text == ScalarFunction.parse(target).text


def test_the_second_target_can_be_learned_from_a_reused_batch():
    target = ScalarFunction.parse(IE2)
    square = hermite_expansion(f"({target.text})**2", 1).orthonormal_array
    assert abs(square[1]) > 0.1


def test_no_point_of_the_plane_lies_on_a_boundary():
    for found in PLANE.values():
        first, second = (Fraction(repr(step.exponent)) for step in found.problem.steps)
        assert (second / (Fraction(1, 2) - first)).denominator != 1


def test_widths_are_one_problem_grown():
    base = WIDTHS["widths-800"].problem
    for found in WIDTHS.values():
        assert problem_at(base, {"width": found.problem.width}) == found.problem


def test_scaled():
    doubled = QUICK.scaled(2)
    assert [p.n_samples for p in doubled.plans] == [2 * p.n_samples for p in QUICK.plans]
    for after, before in zip(doubled.plans, QUICK.plans, strict=True):
        if isinstance(before, Plan):
            assert after.n_spectra == before.n_spectra
    assert all(plan.n_samples == 2 for plan in QUICK.scaled(1e-3).plans)
    with pytest.raises(InvalidInputError, match="samples must be a positive factor, got -1"):
        QUICK.scaled(-1)


def test_only():
    part = FULL.only(["levels", "plane"])
    assert [section.name for section in part.sections] == ["plane", "levels"]
    with pytest.raises(InvalidInputError, match=r"one of plane, .*; got 'nothing'"):
        FULL.only(["nothing"])


def test_unknown_suite():
    with pytest.raises(InvalidInputError, match="suite must be one of quick, full; got 'slow'"):
        suite("slow")


def test_what_is_known_to_differ_says_why():
    known = [one for one in ALL_CASES.values() if one.known]
    assert known
    assert all(len(one.known.split()) > 20 for one in known)
    assert not any(entry.case.known for entry in QUICK.entries)
