"""Scenes with signals and asynchronous exceptions at random moments."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError
from tests.hostile.model import Model, fit, shared

SIGNALS = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
LATEST = 0.004
"""Seconds until a signal."""


def handlers(model: Model, params: Any) -> list[Callable[..., Any]]:
    """What a handler may do: nothing, raise, end the process, or call back."""

    def raises(number: int, frame: Any) -> None:
        raise TimeoutError

    def leaves(number: int, frame: Any) -> None:
        sys.exit(3)

    def interrupts(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    def calls_the_step(number: int, frame: Any) -> None:
        model.step(params, **model.data)

    def tries_the_step(number: int, frame: Any) -> None:
        with suppress(ArgumentError):
            model.step(params, **model.data)

    def fits(number: int, frame: Any) -> None:
        with suppress(ArgumentError):
            fit(model, params, 2)

    def predicts(number: int, frame: Any) -> None:
        with suppress(ArgumentError):
            model.check_predictions()

    def starts_anew(number: int, frame: Any) -> None:
        with suppress(ArgumentError):
            model.step.init(0)

    return [lambda number, frame: None, raises, leaves, interrupts, calls_the_step, tries_the_step, fits, predicts] + (
        [] if model.step.state else [starts_anew]
    )


FEW = 20
"""Rounds of the suite, which does not compile every model."""


def with_signals(random: Random, rounds: int, work: Callable[[Model, Any, Random], None]) -> None:
    """Do some work on models, each time with a signal on its way."""
    models = [shared(), shared(wide=True)] + ([shared(momentum=0.9)] if rounds > FEW else [])
    sender = _Sender()
    for _ in range(rounds):
        model = random.choice(models)
        params = model.fresh()
        number = random.choice(SIGNALS)
        signal.signal(number, random.choice(handlers(model, params)))
        with suppress(TimeoutError, KeyboardInterrupt, SystemExit, ArgumentError):
            try:
                sender.send(number, random.uniform(0, LATEST))
                work(model, params, random)
            finally:
                sender.finish()
        signal.signal(number, signal.SIG_IGN)
        before = model.state_of(params)
        time.sleep(random.choice((0, 0, 0.002)))
        assert model.state_of(params) == before, "native code still runs"
        model.check(params)


class _Sender:
    """Sends a signal a little later: by a timer, or from a thread."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None

    def send(self, number: int, seconds: float) -> None:
        if number == signal.SIGALRM:
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, seconds))
            return
        main = threading.main_thread().ident
        assert main is not None
        self.thread = threading.Thread(target=lambda: (time.sleep(seconds), signal.pthread_kill(main, number)))
        self.thread.start()

    def finish(self) -> None:
        while True:
            with suppress(TimeoutError, KeyboardInterrupt, SystemExit, ArgumentError):
                signal.setitimer(signal.ITIMER_REAL, 0)
                if self.thread is not None:
                    self.thread.join()
                    self.thread = None
                return


def _steps(model: Model, params: Any, random: Random) -> None:
    for _ in range(random.randint(1, 20)):
        model.step(params, **model.data)
        if random.random() < 0.3:
            model.check_predictions()


def _fits(model: Model, params: Any, random: Random) -> None:
    callback = random.choice((None, lambda epoch, history: False))
    fit(model, params, random.randint(1, 40), callback=callback)


def signals_during_steps(random: Random, rounds: int) -> None:
    with_signals(random, rounds, _steps)


def signals_during_fit(random: Random, rounds: int) -> None:
    with_signals(random, rounds, _fits)


def exceptions_into_threads(random: Random, rounds: int) -> None:
    """``PyThreadState_SetAsyncExc`` while a thread steps, fits or predicts."""
    models = [shared(), shared(wide=True)]
    for _ in range(rounds):
        model = random.choice(models)
        params = model.fresh()
        work = random.choice((_steps, _fits))

        def run(model: Model = model, params: Any = params, work: Any = work) -> None:
            with suppress(TimeoutError):
                work(model, params, random)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(random.uniform(0, LATEST))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeoutError))
        thread.join(30)
        assert not thread.is_alive()
        before = model.state_of(params)
        assert model.state_of(params) == before
        model.check(params)


def reentry_is_refused(random: Random, rounds: int) -> None:
    """A handler in the middle of a ``fit``: the same step is refused, another object works."""
    model, other = shared(), shared(wide=True)
    heard: list[str] = []

    def handler(number: int, frame: Any) -> None:
        other.check_predictions()
        try:
            model.step(params, **model.data)
        except ArgumentError as error:
            heard.append(str(error))

    signal.signal(signal.SIGALRM, handler)
    for _ in range(max(3, rounds // 20)):
        params = model.fresh()
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        history = model.step.fit(
            params, {"x": model.x, "t": model.t}, epochs=60_000, batch_size=24, shuffle=False, progress=False
        )
        assert history.steps == 60_000 and np.isfinite(history.loss).all()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert heard and all("is running in this thread" in text for text in heard)
