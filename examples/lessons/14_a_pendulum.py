"""The parameters of a differential equation are found by the derivative of its solution.

    dθ/dt = ω,   dω/dt = −(g/l)·sin θ − c·ω            a pendulum: k = g/l and its friction c are unknown

The solution is a recurrence, a step of Runge and Kutta's method after the other (sg.odeint), and it has a gradient like
everything else. From 60 noisy angles gradient descent finds k and c.
"""

import numpy as np

import codegen
import symgraph as sg

K, C, STEP, STEPS = 4.0, 0.3, 0.05, 60


def declare():
    k, c = sg.parameter("k", (), sg.init.constant(3.5)), sg.parameter("c", ())
    seen = sg.input("seen", (STEPS + 1,))

    def pendulum(state, t):
        theta, omega = state
        return omega, -k * sg.sin(theta) - c * omega

    theta, _ = sg.odeint(pendulum, (1.0, 0.0), step=STEP, steps=STEPS, method="rk4")
    return k, c, seen, sg.mse_loss(theta, seen)


def measured(seed):
    """Angles of the true pendulum by much smaller steps, with errors of measurement."""
    theta, omega, fine, angles = 1.0, 0.0, STEP / 200, [1.0]
    for _ in range(STEPS):
        for _ in range(200):
            omega -= fine * (K * np.sin(theta) + C * omega)
            theta += fine * omega
        angles.append(theta)
    return np.array(angles) + np.random.default_rng(seed).normal(0, 0.01, STEPS + 1)


def main():
    k, c, seen, J = declare()
    angles = measured(seed=0)

    slope = codegen.function([k, c, seen], sg.grad(J, [k, c]))
    value = codegen.function([k, c, seen], J)
    by_hand = (value(3.5 + 1e-6, 0.0, angles) - value(3.5 - 1e-6, 0.0, angles)) / 2e-6
    assert abs(slope(3.5, 0.0, angles)[k] - by_hand) < 1e-6
    print(f"∂J/∂k = {float(slope(3.5, 0.0, angles)[k]):.6f}; by a difference quotient {float(by_hand):.6f}")

    step = codegen.train_step(J, sg.Adam(lr=0.02), dtype="float64")
    params = step.init()
    losses = [float(step(params, seen=angles)) for _ in range(800)]
    print(f"k = {float(params['k']):.3f} (true {K}), c = {float(params['c']):.3f} (true {C})")
    print(f"Mean squared error: {losses[0]:.4f} before, {losses[-1]:.6f} after; that of the measurement is 0.0001")
    assert abs(params["k"] - K) < 0.05
    assert abs(params["c"] - C) < 0.02
    return params


if __name__ == "__main__":
    main()
