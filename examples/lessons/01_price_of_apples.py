"""The price of apples: a computational graph, and what its derivatives say.

Two apples at 100 each and 10 % tax cost 220. By how much does the bill grow if an apple gets dearer by 1?
"""

import symgraph as sg
from symgraph.reference import evaluate


def main():
    apple = sg.input("apple", ())  # a shape of () is one number
    count = sg.input("count", ())
    tax = sg.input("tax", ())

    apple_price = apple * count  # each line is a node of the graph
    price = apple_price * tax

    print("forward")
    print(" ", apple_price)
    print(" ", price)

    gradient = sg.grad(price, [apple_price, apple, count, tax])
    print("backward")
    print("  ∂price/∂apple_price =", gradient[apple_price])  # already a value of the graph: tax itself
    print(" ", gradient[apple])
    print(" ", gradient[count])
    print("  ∂price/∂tax is", gradient[tax])

    shopping = {"apple": 100, "count": 2, "tax": 1.1}
    total = evaluate(price, shopping).item()
    slopes = {name: evaluate(gradient[name], shopping).item() for name in ("apple", "count", "tax")}
    print("numbers")
    print(f"  price = {total:g}")
    for name, slope in slopes.items():
        print(f"  ∂price/∂{name} = {slope:g}")

    # To the last digit what the layers of the tutorial print, which multiply in the same order.
    assert total == 220.00000000000003
    assert slopes == {"apple": 2.2, "count": 110.00000000000001, "tax": 200.0}
    # An apple dearer by 1 makes the bill larger by 2.2.
    dearer = evaluate(price, shopping | {"apple": 101}).item()
    assert abs(dearer - total - 2.2) < 1e-12
    return total, slopes


if __name__ == "__main__":
    main()
