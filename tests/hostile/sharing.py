"""Scenes with threads, forks, and data that changes under a program."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy import testing  # now: an import that an interruption cuts in two stays broken

from symgraph.errors import ArgumentError, NonFiniteError
from tests.hostile.model import CLASSES, Model, fit, shared


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Run ``work(0)`` … in threads; the first failure is raised here."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def threads_share_objects(random: Random, rounds: int) -> None:
    """Steps, whole fits, with callbacks and without, and predictions of the same objects, each with own parameters."""
    models = [shared(), shared(wide=True)]
    for _ in range(max(1, rounds // 4)):
        model = random.choice(models)
        model.fresh()
        kinds = [random.choice(("step", "fit", "callback", "predict")) for _ in range(4)]

        def work(number: int, model: Model = model, kinds: list[str] = kinds) -> None:
            params = {name: array.copy() for name, array in model.start.items()}
            if kinds[number] == "step":
                assert [model.step(params, **model.data) for _ in range(15)] == model.losses[:15]
            elif kinds[number] == "predict":
                for _ in range(15):
                    model.check_predictions()
                return
            else:
                callback = (lambda epoch, history: False) if kinds[number] == "callback" else None
                history = fit(model, params, 15, callback=callback)
                testing.assert_allclose(history.loss, model.losses[:15], rtol=1e-12)
            assert model.steps_taken(params) == 15

        in_threads(work, len(kinds))


def forks(random: Random, rounds: int) -> None:
    """Fork while other threads step and fit: the child finds whole steps, and everything works there."""
    models = [shared(), shared(wide=True)]
    for _ in range(max(1, rounds // 4)):
        model = random.choice(models)
        params = model.fresh()
        stop = threading.Event()
        kind = random.choice(("step", "fit", "callback", "predict"))

        def work(model: Model = model, params: Any = params, stop: Any = stop, kind: str = kind) -> None:
            while not stop.is_set():
                if kind == "predict":
                    model.check_predictions()
                    continue
                for name, array in model.start.items():
                    params[name][...] = array
                if kind == "step":
                    for _ in range(50):
                        model.step(params, **model.data)
                else:
                    fit(model, params, 100, callback=(lambda *_: False) if kind == "callback" else None)

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(random.uniform(0, 0.01))
        child = os.fork()
        if child == 0:
            _in_child(model)
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, kind
        model.check(model.fresh())


def forks_between_whole_steps(random: Random, rounds: int) -> None:
    """Parameters in the child are those of a whole number of steps, though another thread trains them natively."""
    model = shared(wide=True)
    for _ in range(max(1, rounds // 8)):
        params = model.fresh()
        kind = random.choice(("fit", "step"))

        def work(params: Any = params, kind: str = kind) -> None:
            if kind == "fit":
                fit(model, params, 150)
            for _ in range(0 if kind == "fit" else 150):
                model.step(params, **model.data)

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(random.uniform(0, 0.02))
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if model.state_of(params) in model.known else 1)
        thread.join(60)
        assert model.steps_taken(params) == 150, "a fork has changed the parent"
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forks_in_handlers(random: Random, rounds: int) -> None:
    """A handler forks in the middle of this thread's own ``fit``: it goes on in both processes."""
    model = shared(wide=True)
    children: list[int] = []
    parent = os.getpid()
    signal.signal(signal.SIGALRM, lambda number, frame: children.append(os.fork()))
    for _ in range(max(1, rounds // 8)):
        params = model.fresh()
        children.clear()
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.02))
        history = fit(model, params, 150)
        signal.setitimer(signal.ITIMER_REAL, 0)
        right = model.steps_taken(params) == 150 and np.allclose(history.loss, model.losses[:150], rtol=1e-12)
        if os.getpid() != parent:
            os._exit(0 if right else 1)
        assert right
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _in_child(model: Model) -> None:
    try:
        signal.alarm(60)
        model.check(model.fresh())
        os._exit(0)
    finally:
        os._exit(1)


def labels_change(random: Random, rounds: int) -> None:
    """Another thread, or a callback, writes labels of 10⁹, −1 and so on into the data: never a crash, never silent."""
    models = [shared(), shared(wide=True)]
    for _ in range(rounds):
        model = random.choice(models)
        params = model.fresh()
        labels = model.t.copy()
        data = {"x": model.x, "t": labels}
        wrong = random.choice((10**9, -1, CLASSES, -(2**63), 2**62))
        place = random.randrange(len(labels))

        def disturb(*_: Any, labels: Any = labels, place: int = place, wrong: int = wrong) -> None:
            labels[place] = wrong

        kind = random.choice(("callback", "fit", "step", "value"))
        thread = threading.Thread(target=lambda disturb=disturb: (time.sleep(random.uniform(0, 0.003)), disturb()))
        if kind != "callback":
            thread.start()
        caught = False
        try:
            if kind == "callback":
                rows = len(labels)
                model.step.fit(
                    params, data, epochs=3, batch_size=rows, progress=False, callback=disturb,
                    shuffle=random.random() < 0.5,
                )  # fmt: skip
            elif kind == "fit":
                shuffle = random.random() < 0.5
                model.step.fit(params, data, epochs=10**6, batch_size=7, progress=False, shuffle=shuffle)
            for _ in range(10**6 if kind in ("step", "value") else 0):
                if kind == "step":
                    model.step(params, **data)
                else:
                    assert model.value(model.x, labels, **model.start) == model.cost
        except ArgumentError as error:
            caught = True
            assert f"t[{place}] is {wrong}; labels of t lie in 0 … {CLASSES - 1}" in str(error), error
        if kind != "callback":
            thread.join()
        assert caught, kind
        assert all(np.isfinite(array).all() for array in params.values())
        model.check(model.fresh())


def values_become_nan(random: Random, rounds: int) -> None:
    """A NaN or an infinity in data or parameters stops before anything is updated, and is named."""
    models = [shared(), shared(momentum=0.9), shared(wide=True)]
    for _ in range(rounds):
        model = random.choice(models)
        params = model.fresh()
        x = model.x.copy()
        taken = random.randint(0, 3)
        for _ in range(taken):
            model.step(params, **model.data)
        row, column = random.randrange(len(x)), random.randrange(x.shape[1])
        odd = random.choice((np.nan, np.inf, -np.inf))
        kind = random.choice(("input", "parameter"))
        (x if kind == "input" else params["A"])[row % 5, column % 6] = odd
        before = model.state_of(params)
        data = {"x": x, "t": model.t}
        if np.isfinite(model.value(x, model.t, **params)):
            continue  # relu(−inf) = 0 in every unit: nothing is wrong with this loss, but with the next one
        try:
            if random.random() < 0.5:
                model.step(params, **data)
            else:
                shuffle = random.random() < 0.5
                model.step.fit(params, data, epochs=2, batch_size=len(x), shuffle=shuffle, progress=False)
            raise AssertionError("it went on")
        except NonFiniteError as error:
            name = "x" if kind == "input" else "A"
            assert f"{kind} {name}[{row % 5}, {column % 6}] is {odd}" in str(error), error
        assert model.state_of(params) == before
        model.check(model.fresh())
