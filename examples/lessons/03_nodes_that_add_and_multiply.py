"""Addition and multiplication nodes: forward(x, y), and backward(dout), which nobody has to write.

An addition passes dout on to both sides; a multiplication sends dout·y to x and dout·x to y. Give the node's formula,
and the chain rule of L = dout·z gives its backward pass.
"""

import codegen
import symgraph as sg


class Layer:
    """A node z = formula(x, y) with the two passes of the tutorial's AddLayer and MulLayer."""

    def __init__(self, formula):
        x, y, dout = sg.input("x", ()), sg.input("y", ()), sg.input("dout", ())
        z = formula(x, y)
        L = dout * z  # dout is ∂L/∂z, whatever comes after this node
        gradient = sg.grad(L, [x, y])
        self.formulas = [gradient[x], gradient[y]]
        self._forward = codegen.function([x, y], z)
        self._backward = codegen.function([x, y, dout], self.formulas)

    def forward(self, x, y):
        self.x, self.y = x, y
        return self._forward(x, y).item()

    def backward(self, dout):
        return tuple(slope.item() for slope in self._backward(self.x, self.y, dout))


def MulLayer():
    return Layer(lambda x, y: x * y)


def AddLayer():
    return Layer(lambda x, y: x + y)


def main():
    """Two apples at 100 and three oranges at 150, with 10 % tax."""
    for name, layer in (("multiplication", MulLayer()), ("addition", AddLayer())):
        print(f"backward of {name}:", "    ".join(str(formula) for formula in layer.formulas))

    apples, oranges, fruit, taxed = MulLayer(), MulLayer(), AddLayer(), MulLayer()
    apple_price = apples.forward(100.0, 2.0)
    orange_price = oranges.forward(150.0, 3.0)
    all_price = fruit.forward(apple_price, orange_price)
    price = taxed.forward(all_price, 1.1)

    dall_price, dtax = taxed.backward(1.0)
    dapple_price, dorange_price = fruit.backward(dall_price)
    dapple, dapple_count = apples.backward(dapple_price)
    dorange, dorange_count = oranges.backward(dorange_price)
    found = {
        "price": price, "dall_price": dall_price, "dtax": dtax, "dapple": dapple, "dapple_count": dapple_count,
        "dorange": dorange, "dorange_count": dorange_count,
    }  # fmt: skip
    for name, value in found.items():
        print(f"  {name:13} = {value:g}")

    expected = {
        "price": 715, "dall_price": 1.1, "dtax": 650, "dapple": 2.2, "dapple_count": 110,
        "dorange": 3.3, "dorange_count": 165,
    }  # fmt: skip
    assert found.keys() == expected.keys()
    assert all(abs(found[name] - expected[name]) < 1e-12 * abs(expected[name]) for name in expected)
    return found


if __name__ == "__main__":
    main()
